"""The demo's servers: plain processes of this machine, without any isolation, on loopback only.

A server is a session of its own and writes to a log file, so it goes on when the hub is killed; the restarted hub
finds it by process id *and* start time, since ids are used again.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from jupyterhub.spawner import SimpleLocalProcessSpawner
from traitlets import default

from faelleslab_hub import notebooks
from faelleslab_hub.settings import CHECKOUT, Settings
from faelleslab_hub.spawner import AuditedServer

_KIT_EXTENSION = CHECKOUT / "kit" / "labextension"
_LAB_SETTINGS = CHECKOUT / "kit" / "labextension-settings" / "overrides.json"
# The only variables of the hub that a server sees. Never a token, never a database address.
_ALLOWED = ("LANG", "LC_ALL", "TZ", "FAELLESLAB_OFFLINE", "SSL_CERT_FILE", "SSL_CERT_DIR")


class EmbeddedServer(AuditedServer, SimpleLocalProcessSpawner):
    """One `jupyterhub-singleuser` process in the account's home."""

    started_at = ""
    pid: int

    @default("cmd")
    def _cmd(self) -> list[str]:
        return [str(Path(sys.prefix) / "bin" / "jupyterhub-singleuser")]

    @default("ip")
    def _ip(self) -> str:
        return "127.0.0.1"

    @default("env_keep")
    def _env_keep(self) -> list[str]:
        return list(_ALLOWED)

    @default("home_dir")
    def _home_dir(self) -> str:
        return str(self.settings.account_home(self.account.tenant, self.account.name))

    @default("notebook_dir")
    def _notebook_dir(self) -> str:
        return str(self.home_dir)

    def get_env(self) -> dict[str, str]:
        """Add a path of this environment and the system alone."""
        env: dict[str, str] = super().get_env()
        env["PATH"] = os.pathsep.join((str(Path(sys.prefix) / "bin"), "/usr/local/bin", "/usr/bin", "/bin"))
        env.setdefault("LANG", "C.UTF-8")
        return env

    def get_args(self) -> list[str]:
        """Add the workbench's Lab extension and its settings, which an editable install does not put in place."""
        extensions = self.settings.hub_state / "labextensions"
        return [
            *super().get_args(),
            f"--LabApp.extra_labextensions_path={extensions}",
            f"--LabApp.app_settings_dir={self.settings.hub_state / 'lab-settings'}",
            # A demo is often tried as root in a container.
            *(["--allow-root"] if os.getuid() == 0 else []),
        ]

    def prepare_home(self) -> None:
        """Make the home, its templates and the link to the Lab extension ready."""
        super().prepare_home()
        notebooks.copy_missing(notebooks.built_folder(self.settings), Path(self.home_dir))
        # JupyterLab serves an extension under its folder's name, which must be the package's.
        link = self.settings.hub_state / "labextensions" / "faelleslab"
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.is_symlink() and link.readlink() != _KIT_EXTENSION:
            link.unlink()
        if not link.is_symlink():
            link.symlink_to(_KIT_EXTENSION)
        # A copy, since JupyterLab may write beside it.
        overrides = self.settings.hub_state / "lab-settings" / "overrides.json"
        overrides.parent.mkdir(parents=True, exist_ok=True)
        if _LAB_SETTINGS.is_file():
            shutil.copyfile(_LAB_SETTINGS, overrides)

    async def start(self) -> tuple[str, int]:
        """Start the process with its own log instead of the hub's, which may be a pipe that ends with the hub."""
        folder = self.settings.logs / "servers"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / f"{self.account.name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self.popen_kwargs = {"stdin": subprocess.DEVNULL, "stdout": descriptor, "stderr": descriptor}
        try:
            return await super().start()
        finally:
            os.close(descriptor)

    def launched(self) -> None:
        """Remember process and start time, for a hub or supervisor that comes later."""
        self.started_at = _started_at(self.pid)
        _remember(self.settings, self.account.name, self.pid, self.started_at)

    def load_state(self, state: dict[str, Any]) -> None:
        """Find the process again after a restart of the hub, unless its id belongs to another one by now."""
        super().load_state(state)
        self.started_at = state.get("started_at", "")
        if self.pid and _started_at(self.pid) != self.started_at:
            self.pid = 0

    def get_state(self) -> dict[str, Any]:
        """Keep the start time beside the process id."""
        state: dict[str, Any] = super().get_state()
        if self.pid:
            state["started_at"] = self.started_at
        return state

    async def poll(self) -> int | None:
        """Say whether the process runs; a dead one that nobody has collected does not."""
        if self.proc is None and self.pid and _started_at(self.pid) != self.started_at:
            self.clear_state()
            return 0
        status: int | None = await super().poll()
        return status

    async def stop(self, now: bool = False) -> None:  # noqa: FBT001  (JupyterHub's signature)
        """End the process; jupyter-server asks questions on SIGINT, so it gets SIGTERM at once."""
        await super().stop(now=True)
        _forget(self.settings, self.account.name)


def stop_all(settings: Settings, patience_s: float = 10.0) -> int:
    """End every server of this installation; for the demo's supervisor, when the hub itself has ended.

    Returns
    -------
    int
        How many servers were still running.
    """
    running: dict[int, str] = {}
    for record in (settings.hub_state / "servers").glob("*.pid"):
        pid, _, started_at = record.read_text(encoding="ascii").partition(" ")
        if pid.isdigit() and started_at and _started_at(int(pid)) == started_at:
            running[int(pid)] = started_at
        record.unlink(missing_ok=True)
    for kind in (signal.SIGTERM, signal.SIGKILL):
        alive = [one for one, since in running.items() if _started_at(one) == since]
        for one in alive:
            os.killpg(one, kind)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and any(_started_at(one) == running[one] for one in alive):
            time.sleep(0.05)
    return len(running)


def _started_at(pid: int) -> str:
    """Give the kernel's start time of a living process; empty when there is none or it is only a remainder."""
    try:
        # The command's name may hold spaces and brackets, so fields count from the last bracket.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]


def _remember(settings: Settings, name: str, pid: int, started_at: str) -> None:
    folder = settings.hub_state / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.pid").write_text(f"{pid} {started_at}", encoding="ascii")


def _forget(settings: Settings, name: str) -> None:
    (settings.hub_state / "servers" / f"{name}.pid").unlink(missing_ok=True)
