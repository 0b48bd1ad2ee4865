"""Fixtures of all tests: the real parts of the machine. See tests/machine."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.machine import network_guard, packages
from tests.machine.house import House
from tests.machine.needs import Needs


def pytest_configure(config: pytest.Config) -> None:
    network_guard.install()
    config.pluginmanager.register(Needs(may_install=os.environ.get("FAELLESLAB_INSTALL") == "1"), "faelleslab-needs")


@pytest.fixture(scope="session")
def docker_client() -> Iterator[Any]:
    """The engine, as a low-level `docker.APIClient`; the test carries the marker `docker`."""
    from faelleslab_hub import engine

    client = engine.connect(timeout_s=600)
    yield client
    client.close()


@pytest.fixture(scope="session")
def images(docker_client: Any) -> dict[str, str]:
    """Ids of the project's images by name, built when this checkout's are missing."""
    from faelleslab_hub.images import build

    return {image.name: image.id for image in build.build(docker_client, [], print)}


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser; the test carries the marker `browser`."""
    path = packages.chromium()
    assert path is not None
    return path


@pytest.fixture(scope="module")
def house(docker_client: Any, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two tenants on the real engine, with networks and folders of their own."""
    made = House(docker_client, tmp_path_factory.mktemp("house"), images["analytics"])
    yield made
    made.close()
