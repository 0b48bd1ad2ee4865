"""`make demo` as a user starts it, for tests: a process, its address and password, and what it left behind."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from faelleslab_hub import ports, process_tree

ROOT = Path(__file__).resolve().parents[2]
READY_S = 120.0


@dataclass
class Demo:
    """A running demo."""

    url: str
    password: str
    home: Path
    port: int
    process: subprocess.Popen[str]
    started_s: float
    output: list[str] = field(default_factory=list)

    @contextmanager
    def log_in(self, account: str = "analytiker-0751") -> Iterator[httpx.Client]:
        """Give a browser-like client that is logged in."""
        with httpx.Client(base_url=self.url, follow_redirects=True, timeout=30, trust_env=False) as client:
            page = client.get("/hub/login")
            token = re.search(r'name="_xsrf"[^>]*value="([^"]+)"', page.text)
            assert token, page.text
            form = {"username": account, "password": self.password, "_xsrf": token.group(1)}
            answer = client.post("/hub/login", data=form, params={"next": "/hub/home"})
            assert "jupyterhub-hub-login" in str(client.cookies.jar), answer.text
            yield client

    def start_server(self, client: httpx.Client, account: str = "analytiker-0751") -> None:
        """Start the account's server and wait until it answers through the proxy."""
        wait_for(lambda: "/lab" in client.get("/hub/spawn").url.path, 120)
        wait_for(lambda: client.get(f"/user/{account}/api/status").status_code == 200, 30)

    def processes(self) -> dict[str, int]:
        """Process ids by the word on the command line: hub, web, proxy (node) and so on."""
        found = {}
        for pid in process_tree.descendants(self.process.pid):
            words = command_line(pid)
            if "faelleslab_hub.cli" in words:
                found[words[-1]] = pid
            elif words and words[0].endswith("/node"):
                found["proxy"] = pid
        return found

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stop it as Ctrl-C does; gives the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


def command(home: Path, port: int | str) -> tuple[list[str], dict[str, str]]:
    """Give the command line and environment of a demo."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FAELLESLAB_")}
    env = {**kept, "FAELLESLAB_HOME": str(home), "FAELLESLAB_PORT": str(port), "FAELLESLAB_MODE": "embedded"}
    return [sys.executable, "-m", "faelleslab_hub.cli", "demo"], env


def start(home: Path, port: int | None = None) -> Demo:
    """Start a demo and wait for its `Klar:` line."""
    port = port or ports.suggest(random.randrange(12000, 60000))
    words, env = command(home, port)
    began = time.monotonic()
    process = subprocess.Popen(
        words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    )
    lines: list[str] = []
    ready = threading.Event()

    def read() -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                if line.startswith("Stop med Ctrl-C"):
                    ready.set()
        ready.set()

    threading.Thread(target=read, daemon=True).start()
    assert ready.wait(READY_S), "\n".join(lines)
    text = "\n".join(lines)
    url = re.search(r"^Klar: (http://127\.0\.0\.1:\d+)$", text, re.M)
    password = re.search(r"samme for alle: (\S+)$", text, re.M)
    if not url or not password:
        process.kill()
        process.wait()
        raise AssertionError(text + logs(home))
    return Demo(url[1], password[1], home, port, process, time.monotonic() - began, lines)


@contextmanager
def running(home: Path, port: int | None = None) -> Iterator[Demo]:
    """Start a demo, end it whatever happens, and check that nothing of it is left."""
    demo = start(home, port)
    try:
        yield demo
        if demo.process.poll() is None:
            assert demo.stop() == 0
        wait_for(lambda: left(home) == {}, 20)
    finally:
        demo.process.kill()
        demo.process.wait()
        for pid in left(home):
            os.kill(pid, signal.SIGKILL)


def left(home: Path) -> dict[int, list[str]]:
    """Find every living process that was started for this home, by its environment or command line."""
    mark, found = str(home).encode(), {}
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        try:
            ours = mark in (folder / "environ").read_bytes() or mark in (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if ours and pid != os.getpid() and process_tree.started(pid):
            found[pid] = command_line(pid)
    return found


def command_line(pid: int) -> list[str]:
    """Give a process's words; none when it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
    except OSError:
        return []


def listening(pids: set[int]) -> set[tuple[str, int]]:
    """Give the addresses at which these processes listen, as hexadecimal address and port."""
    sockets = set()
    for pid in pids:
        try:
            sockets |= {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        except OSError:
            continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            row = line.split()
            if row[3] == "0A" and f"socket:[{row[9]}]" in sockets:
                address, _, port = row[1].rpartition(":")
                found.add((address, int(port, 16)))
    return found


def wait_for(what: Any, limit_s: float) -> None:
    """Wait until something is true; errors of the network count as not yet."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            if what():
                return
        except (httpx.HTTPError, OSError, json.JSONDecodeError, urllib.request.HTTPError):
            pass
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def logs(home: Path) -> str:
    """Give the ends of all logs, for the message of a failed test."""
    return "\n".join(
        f"== {path.name}\n{path.read_text(encoding='utf-8', errors='replace')[-2000:]}"
        for path in sorted((home / "logs").glob("*.log"))
    )
