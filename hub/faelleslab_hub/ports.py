"""Whether the workbench's five ports are free, and who has them if not."""

import errno
import re
import socket
from pathlib import Path

from faelleslab.errors import ConfigurationError
from faelleslab_hub.settings import Settings

_LISTENING = "0A"


def need_free(settings: Settings) -> None:
    """Check every port the workbench listens on; raises `ConfigurationError` FL-K330 naming the one that is taken."""
    for name, port in settings.ports.items():
        address = settings.bind if name == "proxy" else "127.0.0.1"
        problem = _problem(address, port)
        if problem:
            used_for = "" if name == "proxy" else f" (den bruges af '{name}')"
            raise ConfigurationError(
                "FL-K330",
                f"Port {port}{used_for} {problem}.",
                rule=f"arbejdsbordet bruger portene {settings.port}-{settings.port + len(settings.ports) - 1}.",
                remedy=f"stop det, der bruger porten, eller vælg en anden, fx PORT={suggest(settings.port)}.",
            )


def suggest(near: int) -> int:
    """Find a port whose four followers are free as well."""
    for port in range(max(near + 100, 8100) // 100 * 100, 65500, 100):
        if not any(_problem("127.0.0.1", port + offset) for offset in range(5)):
            return port
    return 8000


def owner(port: int) -> str:
    """Name the process that listens on a port, e.g. ``'nginx' (proces 712)``; empty when that cannot be seen."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and inodes & _open_sockets(process):
            try:
                name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
            except OSError:
                continue
            return f"'{re.sub(r'[^ -~]', '?', name)}' (proces {process.name})"
    return ""


def _open_sockets(process: Path) -> set[str]:
    found = set()
    try:
        for descriptor in (process / "fd").iterdir():
            try:
                found.add(str(descriptor.readlink()))
            except OSError:
                continue
    except OSError:
        pass  # another user's process, or gone by now
    return found


def _problem(address: str, port: int) -> str:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the servers do: a port whose last user has just gone is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            # With that option a port may be bound while another listens on it; listening tells.
            probe.listen(1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"er optaget af {owner(port) or 'et andet program'}"
        if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
            return f"kan ikke åbnes: adressen {address} findes ikke på denne maskine"
        return f"kan ikke åbnes på {address} ({error.strerror})"
    return ""
