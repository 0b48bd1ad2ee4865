"""Keep the test process on this machine: loopback, unix sockets and Docker's bridges, nothing else.

It is a reminder, not a wall: a library that calls the kernel by itself, or a child process, passes it.
"""

import ipaddress
import socket
from pathlib import Path
from typing import Any

_BRIDGES = ("docker0", "br-", "fl-")


class NetworkBlockedError(RuntimeError):
    """A test tried to leave the machine. Not an OSError: code under test would take it for a network fault."""


def install() -> None:
    """Put the guard into `socket`; for the life of the process."""
    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        _check(host)
        return resolve(host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


def _guarded(original: Any) -> Any:
    def call(self: socket.socket, *args: Any) -> Any:
        address = args[-1]
        if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            _check(address[0])
        return original(self, *args)

    return call


def _check(host: Any) -> None:
    text = host.decode() if isinstance(host, bytes) else host
    if text in (None, "", "localhost"):
        return
    try:
        address = ipaddress.ip_address(str(text).split("%")[0])
    except ValueError:
        if str(text).endswith(".localhost"):
            return
        raise NetworkBlockedError(f"a test may not look up {text!r}") from None
    if address.is_loopback or address.is_unspecified or any(address in net for net in _bridge_networks()):
        return
    raise NetworkBlockedError(f"a test may not reach {address}")


def _bridge_networks() -> list[ipaddress.IPv4Network]:
    networks = []
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[0].startswith(_BRIDGES):
            address, mask = (ipaddress.IPv4Address(bytes.fromhex(fields[i])[::-1]) for i in (1, 7))
            if int(mask):
                networks.append(ipaddress.IPv4Network(f"{address}/{mask}"))
    return networks
