"""A whole hub for tests: real proxy, real hub, real servers of the demo, on free ports in a folder of their own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from faelleslab_hub import database, secret_files
from faelleslab_hub.audit.models import Event
from faelleslab_hub.settings import CHECKOUT, Mode, Settings
from faelleslab_hub.spawner import embedded

PATIENCE_S = 90.0


@dataclass
class House:
    """The processes of one installation, and the keys to it."""

    settings: Settings
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    visitors: list["Visitor"] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    @property
    def password(self) -> str:
        return secret_files.read(self.settings, "hub", "account-password")

    def start(self, name: str) -> None:
        """Start a process and wait until its port answers."""
        environment = {
            **{key: os.environ[key] for key in ("PATH", "LANG", "HOME") if key in os.environ},
            **self.settings.environment(),
            "PYTHONPATH": os.pathsep.join((str(CHECKOUT / "kit"), str(CHECKOUT / "hub"))),
            "TEST_MARK": "only the hub's",
        }
        self.settings.logs.mkdir(parents=True, exist_ok=True)
        with (self.settings.logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "faelleslab_hub.cli", name], env=environment, stdout=log, stderr=log
            )
        port = self.settings.ports[name]
        wait_for(lambda: answers(port), f"{name} on {port}: {self.log(name)}", process=self.processes[name])
        if name == "hub":
            wait_for(lambda: httpx.get(f"{self.url}/hub/health").status_code == 200, "the hub behind the proxy")

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        process = self.processes.pop(name)
        process.send_signal(number)
        return process.wait(timeout=30)

    def stop(self) -> None:
        for visitor in self.visitors:
            visitor.close()
        for name in reversed(list(self.processes)):
            self.kill(name, signal.SIGTERM)
        embedded.stop_all(self.settings)

    def log(self, name: str) -> str:
        return (self.settings.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-3000:]

    def events(self, chain: str, kind: str) -> list[dict[str, Any]]:
        with database.session(self.settings) as session:
            found = session.scalars(
                sa.select(Event).where(Event.chain == chain, Event.type == kind).order_by(Event.seq)
            )
            return [{"seq": e.seq, "actor": e.actor, **json.loads(e.details)} for e in found]

    def server_pid(self, account: str) -> int:
        record = self.settings.hub_state / "servers" / f"{account}.pid"
        return int(record.read_text(encoding="ascii").split()[0])

    @contextmanager
    def no_events(self) -> Iterator[None]:
        """Make the audit chain refuse every event."""
        trigger = "CREATE TRIGGER refuse BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'refused'); END"
        with database.engine(self.settings).begin() as connection:
            connection.exec_driver_sql(trigger)
        try:
            yield
        finally:
            with database.engine(self.settings).begin() as connection:
                connection.exec_driver_sql("DROP TRIGGER refuse")

    def visitor(self) -> "Visitor":
        self.visitors.append(Visitor(self))
        return self.visitors[-1]

    def login(self, account: str) -> "Visitor":
        visitor = self.visitor()
        answer = visitor.post_login(account, self.password)
        assert answer.status_code == 302, answer.text
        return visitor


class Visitor(httpx.Client):
    """A browser without a screen."""

    def __init__(self, house: House) -> None:
        super().__init__(base_url=house.url, timeout=60)
        self.house = house

    def post_login(self, account: str, password: str, **more: str) -> httpx.Response:
        return self.post("/hub/login", data={"username": account, "password": password, "_xsrf": self.xsrf(), **more})

    def xsrf(self) -> str:
        found = re.search(r'name="_xsrf" value="([^"]+)"', self.get("/hub/login").text)
        return found.group(1) if found else ""

    def api(self, method: str, path: str, **more: Any) -> httpx.Response:
        token = next((c.value for c in self.cookies.jar if c.name == "_xsrf" and c.path == "/hub/"), "")
        return self.request(method, f"/hub/api{path}", headers={"X-XSRFToken": token or ""}, **more)

    def start_server(self) -> str:
        """Start the account's server and wait until Lab's page comes; gives its address."""
        answer = self.get("/hub/spawn", follow_redirects=True)
        deadline = time.monotonic() + PATIENCE_S
        while "/lab" not in answer.url.path:
            assert answer.status_code == 200, answer.text
            assert time.monotonic() < deadline, answer.text + self.house.log("hub")
            time.sleep(0.2)
            answer = self.get(answer.url, follow_redirects=True)
        assert answer.status_code == 200
        return answer.url.path

    def stop_server(self, account: str) -> None:
        answer = self.api("DELETE", f"/users/{account}/server")
        assert answer.status_code in (202, 204), answer.text
        wait_for(lambda: "Start" not in self.get("/hub/home").text or self.is_idle(), "the server to stop")

    def is_idle(self) -> bool:
        return "Det starter på få sekunder" in self.get("/hub/home").text


@contextmanager
def open_house(home: Path, mode: Mode = "embedded", config: Path | None = None) -> Iterator[House]:
    """Give a house with proxy and hub running; everything started is stopped again."""
    port = free_ports(5)
    settings = Settings(
        mode=mode,
        home=home,
        bind="127.0.0.1",
        port=port,
        config=config or CHECKOUT / "hub" / "municipalities",
        database_url=f"sqlite:///{home / 'faelleslab.sqlite'}",
        tls_certificate=None,
        tls_key=None,
        public_url=f"http://127.0.0.1:{port}",
    )
    secret_files.create_missing(settings)
    database.upgrade(settings)
    house = House(settings)
    try:
        house.start("proxy")
        house.start("hub")
        yield house
    finally:
        house.stop()
        database.engine(settings).dispose()


def free_ports(n: int) -> int:
    """Give the first of ``n`` free ports in a row."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = probe.getsockname()[1]
        if first + n < 65530 and not any(answers(first + i) for i in range(n)):
            return int(first)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition: Callable[[], bool], what: str, *, patience_s: float = PATIENCE_S, process: Any = None) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert process is None or process.poll() is None, f"ended while waiting for {what}"
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)
