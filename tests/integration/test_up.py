"""`make up` and `make down`: what is missing is named with its remedy, both may be said twice, data stays."""

import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.running_demo import left, wait_for

from faelleslab_hub import containers, ports
from faelleslab_hub.settings import CHECKOUT, Settings


class Installation:
    """A home, its ports, and the command line on it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = ports.suggest(random.randrange(12000, 60000))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FAELLESLAB_")}
        self.env = {
            **kept,
            "FAELLESLAB_MODE": "docker",
            "FAELLESLAB_HOME": str(home),
            "FAELLESLAB_PORT": str(self.port),
        }

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "faelleslab_hub.cli", *words],
            env={**self.env, **more},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def refused(self, code: str, *words: str, **more: str) -> str:
        result = self.run("up", *words, **more)
        assert result.returncode == 2, result.stdout + result.stderr
        assert code in result.stderr
        assert "Gør: " in result.stderr
        assert "Traceback" not in result.stderr
        assert left(self.home) == {}
        return result.stderr


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    place = Installation(tmp_path / "home")
    yield place
    place.run("down")


def test_a_missing_engine_is_named_with_the_command(installation: Installation, tmp_path: Path) -> None:
    said = installation.refused("FL-K100", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert "docker.io" in said


@pytest.mark.docker
def test_a_missing_image_is_named_with_the_command(installation: Installation, tmp_path: Path) -> None:
    config = tmp_path / "config"
    shutil.copytree(CHECKOUT / "hub" / "municipalities", config)
    common = (config / "common.yaml").read_text()
    (config / "common.yaml").write_text(common.replace("faelleslab/analytics", "faelleslab/none-such"))
    assert "make images" in installation.refused("FL-K101", FAELLESLAB_CONFIG=str(config))


@pytest.mark.docker
def test_missing_secrets_are_named_with_a_command_that_mends_it(
    installation: Installation, images: dict[str, str]
) -> None:
    said = installation.refused("FL-K342")
    command = re.search(r"kør '([^']+)'", said)
    assert command
    mended = subprocess.run(
        ["sh", "-c", command[1].replace(".venv/bin/faelleslab-hub", f"{sys.executable} -m faelleslab_hub.cli")],
        cwd=CHECKOUT,
        capture_output=True,
        check=False,
    )
    assert mended.returncode == 0, mended.stderr
    assert (installation.home / "secrets" / "hub" / "account-password").is_file()


@pytest.mark.docker
def test_up_twice_and_down_twice(installation: Installation, images: dict[str, str], docker_client: Any) -> None:
    assert installation.run("secrets", "create").returncode == 0
    first = installation.run("up")
    assert first.returncode == 0, first.stdout + first.stderr + _logs(installation)
    assert f"Klar: http://127.0.0.1:{installation.port}" in first.stdout.splitlines()
    again = installation.run("up")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "kørte i forvejen" in again.stdout
    with httpx.Client(base_url=f"http://127.0.0.1:{installation.port}", trust_env=False) as client:
        assert client.get("/hub/login").status_code == 200
    # A server of this installation that nobody stopped, and a container of another one.
    ours = _container(docker_client, images, containers.settings_hash(_settings(installation)))
    others = _container(docker_client, images, "00000000")
    try:
        down = installation.run("down")
        assert down.returncode == 0, down.stderr
        assert "stoppet" in down.stdout
        alive = {container["Id"] for container in docker_client.containers()}
        assert ours not in alive
        assert others in alive
    finally:
        docker_client.remove_container(others, force=True)
    wait_for(lambda: left(installation.home) == {}, 10)
    assert (installation.home / "faelleslab.sqlite").is_file()
    second = installation.run("down")
    assert second.returncode == 0
    assert "kørte ikke" in second.stdout


@pytest.mark.docker
def test_a_taken_port_is_named(installation: Installation, images: dict[str, str]) -> None:
    import socket

    assert installation.run("secrets", "create").returncode == 0
    with socket.create_server(("127.0.0.1", installation.port)):
        assert f"Port {installation.port}" in installation.refused("FL-K330")


def _container(client: Any, images: dict[str, str], installation: str) -> str:
    made = client.create_container(
        next(iter(images.values())),
        ["sleep", "600"],
        entrypoint=[],
        labels={containers.LABEL_INSTALLATION: installation, containers.LABEL_KIND: "server"},
        host_config=client.create_host_config(network_mode="none", init=True),
    )
    client.start(made["Id"])
    return str(made["Id"])


def _settings(installation: Installation) -> Settings:
    before = dict(os.environ)
    os.environ.update(installation.env)
    try:
        return Settings.from_environment()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _logs(installation: Installation) -> str:
    return "\n".join(path.read_text()[-2000:] for path in (installation.home / "logs").glob("*.log"))
