"""Servers, runs and networks on a real engine: they start, answer, are found again and are removed."""

import secrets
import threading
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError
from tests.machine.house import House

from faelleslab.errors import ConfigurationError
from faelleslab_hub import containers, folders, images, networks

pytestmark = pytest.mark.docker

IDLE = ("sleep", "600")


def test_a_server_answers_and_finds_its_templates_and_its_home(house: House) -> None:
    tenant = house.tenants[0]
    token = secrets.token_hex(16)
    container = house.server(
        tenant,
        "lab",
        "jupyter-lab",
        "--ip=0.0.0.0",
        "--port=8888",
        "--no-browser",
        environment={"JUPYTER_TOKEN": token},
    )
    assert "<title>JupyterLab</title>" in _read(house.address(container), token)
    home = house.settings.account_home(tenant.code, "lab")
    assert (home / "skabeloner").is_dir()
    _, inside = house.execute(container, "ls", "/opt/faelleslab/notebooks")
    assert sorted(p.name for p in (home / "skabeloner").iterdir()) == sorted(inside.split())
    assert not list(home.rglob("kernel-*.json")), "kernel keys lie in the home"
    assert house.execute(container, "/opt/faelleslab/bin/healthy")[0] == 0


def _read(address: str, token: str) -> str:
    url = f"http://{address}:8888/lab?token={token}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            threading.Event().wait(0.1)
    raise AssertionError("the server never answered")


def test_a_changed_template_stays_the_users(house: House) -> None:
    tenant = house.tenants[0]
    own = folders.ensure_home(house.settings, tenant.code, "keeper") / "skabeloner"
    own.mkdir()
    own.chmod(0o777)
    container = house.server(tenant, "keeper", "ls", "/opt/faelleslab/notebooks")
    names = house.end(container)[1].split()
    house.client.remove_container(container)
    for name in names:
        (own / name).write_text("mit eget", encoding="utf-8")
    house.end(house.server(tenant, "keeper", "true"))
    assert {(own / name).read_text(encoding="utf-8") for name in names} <= {"mit eget"}


def test_without_a_listener_the_image_says_unhealthy(house: House) -> None:
    assert house.execute(house.server(house.tenants[0], "silent", *IDLE), "/opt/faelleslab/bin/healthy")[0] == 1


def test_a_container_is_found_by_installation_and_kind(house: House, tmp_path: Path) -> None:
    server = house.server(house.tenants[0], "found", *IDLE)
    run = house.run(house.tenants[1], "found", "true")
    servers = {c["Id"] for c in containers.ours(house.client, house.settings, "server")}
    runs = {c["Id"] for c in containers.ours(house.client, house.settings, "run")}
    assert server in servers - runs
    assert run in runs - servers
    assert containers.ours(house.client, replace(house.settings, home=tmp_path)) == []


def test_the_same_run_cannot_be_created_twice(house: House) -> None:
    # The name is the fence: a placer that was killed and started again finds the container instead of making another.
    house.run(house.tenants[0], "once", *IDLE)
    with pytest.raises(APIError) as caught:
        house.run(house.tenants[0], "once", *IDLE)
    assert caught.value.status_code == 409


def test_a_missing_folder_is_an_error_not_a_new_folder_of_roots(house: House) -> None:
    spec = containers.for_server(house.tenants[0], "no-folder", house.settings, image=house.image, command=IDLE)
    with pytest.raises(APIError, match="bind source path does not exist"):
        containers.create(house.client, spec)
    assert not Path(spec.mounts[0].source).exists()


def test_the_networks_are_made_once_and_a_half_wall_is_named(house: House) -> None:
    assert networks.ensure(house.client, house.tenants) == []
    told = house.client.inspect_network(house.tenants[0].network)
    assert told["Internal"] is True
    assert told["IPAM"]["Config"] == [{"Subnet": str(house.tenants[0].subnet), "Gateway": house.tenants[0].gateway}]
    name = f"fl-h{secrets.token_hex(3)}"
    house.client.create_network(name, driver="bridge", internal=False)
    try:
        half = replace(house.tenants[0], code=name.removeprefix("fl-"))
        with pytest.raises(ConfigurationError, match="FL-K111"):
            networks.ensure(house.client, [half])
    finally:
        house.client.remove_network(name)


def test_the_subnet_of_another_tenant_is_refused(house: House) -> None:
    greedy = replace(house.tenants[0], code=f"g{secrets.token_hex(3)}")
    with pytest.raises(ConfigurationError, match=r"overlapper .*FL-K110"):
        networks.ensure(house.client, [greedy])
    assert not house.client.networks(names=[greedy.network])


def test_a_network_in_use_stays_and_is_named(house: House) -> None:
    house.server(house.tenants[1], "busy", *IDLE)
    assert networks.remove(house.client, [house.tenants[1]]) == [house.tenants[1].network]
    assert house.client.networks(names=[house.tenants[1].network])


def test_a_foreign_network_of_our_name_is_not_removed(house: House) -> None:
    name = f"fl-n{secrets.token_hex(3)}"
    house.client.create_network(name, driver="bridge", internal=True)
    try:
        networks.remove(house.client, [replace(house.tenants[0], code=name.removeprefix("fl-"))])
        assert house.client.networks(names=[name])
    finally:
        house.client.remove_network(name)


def test_only_our_own_images_are_resolved_and_to_a_digest(house: House, images_by_name: dict[str, str]) -> None:
    tenant = house.tenants[0]
    assert images.resolve(house.client, replace(tenant, image="faelleslab/analytics")) == images_by_name["analytics"]
    assert images_by_name["analytics"].startswith("sha256:")
    with pytest.raises(ConfigurationError, match="FL-K101"):
        images.resolve(house.client, replace(tenant, image="faelleslab/no-such-image"))
    with pytest.raises(ConfigurationError, match="FL-K102"):
        images.resolve(house.client, replace(tenant, image="debian:trixie-slim"))


@pytest.fixture
def images_by_name(images: dict[str, str]) -> dict[str, str]:  # `images` is the module above
    return images


def test_the_engines_absence_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from faelleslab_hub.cli import main

    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert main(["images", "list"]) == 2
    said = capsys.readouterr().err
    assert "FL-K100" in said
    assert "apt-get install docker.io" in said
    assert len(said.splitlines()) == 1
