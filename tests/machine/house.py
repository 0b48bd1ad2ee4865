"""Tenants of a test on a real engine: networks, folders and containers of their own, all gone at the end."""

import ipaddress
import json
import secrets
from pathlib import Path
from typing import Any

from faelleslab.errors import ConfigurationError
from faelleslab_hub import containers, folders, networks
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import Tenant

# Runs in the container: tries to read something from each address and tells what came, never only that it connected.
_FETCH = """
import json, socket, sys
def fetch(host, port):
    try:
        with socket.create_connection((host, port), timeout=3) as s:
            s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            answer = b""
            while part := s.recv(4096):
                answer += part
        return answer.decode(errors="replace")
    except OSError:
        return ""
print(json.dumps([fetch(h, int(p)) for h, p in (a.rsplit(":", 1) for a in sys.argv[1:])]))
"""


class House:
    """Two tenants and what they start."""

    def __init__(self, client: Any, home: Path, image: str) -> None:
        self.client = client
        self.image = image
        self.settings = Settings(
            mode="docker",
            home=home,
            bind="127.0.0.1",
            port=20000 + 10 * secrets.randbelow(1000),
            config=home,
            database_url=f"sqlite:///{home}/x.sqlite",
            tls_certificate=None,
            tls_key=None,
            public_url="http://127.0.0.1",
        )
        self.tenants = (self._tenant("a"), self._tenant("b"))

    def _tenant(self, letter: str) -> Tenant:
        for _ in range(20):
            subnet = ipaddress.IPv4Network(
                (int(ipaddress.IPv4Address("10.221.0.0")) + 256 * secrets.randbelow(8192), 24)
            )
            code = f"{letter}{secrets.token_hex(3)}"
            tenant = Tenant(code, "Prøve", subnet, self.image, 256 * 2**20, 1.0, 64, 60)
            try:
                networks.ensure(self.client, [tenant])
            except ConfigurationError as error:
                if error.code != "FL-K110":
                    raise
                continue
            return tenant
        raise AssertionError("no free subnet")

    def server(self, tenant: Tenant, account: str, *command: str, **more: Any) -> str:
        """Start a server-like container and give its id."""
        folders.ensure_home(self.settings, tenant.code, account)
        spec = containers.for_server(tenant, account, self.settings, image=self.image, command=command, **more)
        container = containers.create(self.client, spec)
        self.client.start(container)
        return container

    def run(self, tenant: Tenant, run_id: str, *command: str, inspection: bool = False) -> str:
        """Start a run's or an inspection's container and give its id."""
        folders.ensure_run(self.settings, tenant.code, run_id)
        make = containers.for_inspection if inspection else containers.for_run
        container = containers.create(
            self.client, make(tenant, run_id, self.settings, image=self.image, command=command)
        )
        self.client.start(container)
        return container

    def end(self, container: str) -> tuple[int, str]:
        """Wait for a container; gives exit code and everything it said."""
        status = self.client.wait(container, timeout=120)["StatusCode"]
        return status, self.client.logs(container).decode()

    def execute(self, container: str, *command: str) -> tuple[int, str]:
        """Run a command in a running container as its user; gives exit code and everything it said."""
        execution = self.client.exec_create(container, list(command))["Id"]
        text = self.client.exec_start(execution).decode()
        return self.client.exec_inspect(execution)["ExitCode"], text

    def address(self, container: str) -> str:
        """Give a container's address on its tenant's network."""
        found = self.client.inspect_container(container)["NetworkSettings"]["Networks"]
        return str(next(iter(found.values()))["IPAddress"])

    def fetch(self, container: str, *targets: str) -> list[str]:
        """Try to read from each host:port inside the container; gives what came, "" for nothing."""
        code, text = self.execute(container, "python", "-c", _FETCH, *targets)
        assert code == 0, text
        return list(json.loads(text))

    def close(self) -> None:
        """Remove every container and network of this house."""
        for container in containers.ours(self.client, self.settings):
            self.client.remove_container(container["Id"], force=True)
        assert networks.remove(self.client, self.tenants) == []
