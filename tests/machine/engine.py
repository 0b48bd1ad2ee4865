"""A Docker engine for the tests: the running one as it is, else one of our own that ends with the tests."""

import os
import subprocess
import time
from pathlib import Path

from faelleslab.errors import ConfigurationError
from faelleslab_hub import engine
from tests.machine import packages

_SOCKET = Path("/var/run/docker.sock")
_READY_S = 60


class Engine:
    """The engine in use; `stop` ends it only when `start` began it."""

    def __init__(self) -> None:
        self._own: subprocess.Popen[bytes] | None = None

    def start(self) -> str | None:
        """Make an engine answer; gives the reason in Danish when none can."""
        reason = _problem()
        if reason is None or os.environ.get("DOCKER_HOST"):
            return reason  # an address that was chosen is not replaced by an engine of ours
        root = packages.rights()
        daemon = packages.program("dockerd")
        if daemon is None:
            return "Docker er ikke installeret"
        if root is None:
            return reason
        if _daemon_runs():
            if root and not os.access(_SOCKET, os.W_OK):
                # It answers root but not us: give this user the socket until the daemon is started next time.
                subprocess.run([*root, "chgrp", str(os.getgid()), str(_SOCKET)], check=False)
            return _problem()
        packages.BUILD.mkdir(exist_ok=True)
        with (packages.BUILD / "dockerd.log").open("wb") as log:
            command = [*root, daemon, f"--group={os.getgid()}"]
            self._own = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + _READY_S
        while (reason := _problem()) and time.monotonic() < deadline and self._own.poll() is None:
            time.sleep(0.2)
        if reason:
            self.stop()
            return f"dockerd kom ikke op (se {packages.BUILD / 'dockerd.log'})"
        return None

    def stop(self) -> None:
        """End the engine that was started here, by its process id."""
        if self._own is None:
            return
        self._own.terminate()
        try:
            self._own.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._own.kill()
            self._own.wait()
        self._own = None


def _problem() -> str | None:
    try:
        engine.connect(timeout_s=10).close()
    except ConfigurationError as error:
        return error.what
    return None


def _daemon_runs() -> bool:
    """Whether a dockerd is among the processes (its socket file outlives it)."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "comm").read_text().strip() == "dockerd":
                return True
        except OSError:
            continue
    return False
