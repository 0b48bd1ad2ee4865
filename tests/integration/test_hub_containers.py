"""The hub with real containers: one per account, on its municipality's network, still there when the hub was killed."""

import json
import shutil
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.hub_house import House, open_house, wait_for

from faelleslab_hub import containers, firewall
from faelleslab_hub.settings import CHECKOUT
from faelleslab_hub.tenants import Tenants

pytestmark = pytest.mark.docker

ANALYST, OTHER = "analytiker-0751", "analytiker-0461"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, docker_client: Any, images: dict[str, str]) -> Iterator[House]:
    config = tmp_path_factory.mktemp("config")
    shutil.copytree(CHECKOUT / "hub" / "municipalities", config, dirs_exist_ok=True)
    (config / "kursus.yaml").write_text("name: Kursus\nimage: faelleslab/not-there\n")
    with open_house(tmp_path_factory.mktemp("house"), "docker", config) as house:
        tenants = Tenants.load(house.settings.config)
        if firewall.available():
            firewall.ensure(house.settings, tenants)
        try:
            yield house
        finally:
            for left in containers.ours(docker_client, house.settings):
                docker_client.remove_container(left["Id"], force=True)
            if firewall.available():
                firewall.remove(house.settings, tenants)


def running(client: Any, house: House, tenant: str) -> list[dict[str, Any]]:
    found = containers.ours(client, house.settings, "server")
    found = [c for c in found if c["Labels"][containers.LABEL_TENANT] == tenant]
    return [client.inspect_container(c["Id"]) for c in found]


def test_each_server_is_a_container_of_its_own_municipality(house: House, docker_client: Any) -> None:
    visitors = {"0751": house.login(ANALYST), "0461": house.login(OTHER)}
    for visitor in visitors.values():
        visitor.start_server()
    tenants = Tenants.load(house.settings.config)
    for code, visitor in visitors.items():
        (container,) = running(docker_client, house, code)
        tenant = tenants.get(code)
        assert list(container["NetworkSettings"]["Networks"]) == [tenant.network]
        assert container["Image"] == docker_client.inspect_image(tenant.image)["Id"]
        assert container["Config"]["Image"].startswith("sha256:")
        assert [m["Source"] for m in container["Mounts"] if m["Type"] == "bind"] == [
            str(house.settings.account_home(code, f"analytiker-{code}"))
        ]
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert host["AutoRemove"]
        assert not host["PortBindings"]
        assert not container["Config"]["User"].startswith("0")
        shown = json.dumps(container)
        secrets = [p.read_text().strip() for p in house.settings.secrets.rglob("*") if p.is_file()]
        assert not [s for s in secrets if s in shown]
        assert f"http://{tenant.gateway}:{house.settings.hub_port}/hub/api" in shown
        event = house.events(code, "server.started")[-1]
        assert event["image"] == container["Image"]
        visitor.stop_server(f"analytiker-{code}")
        wait_for(lambda code=code: running(docker_client, house, code) == [], "the container to be gone")  # type: ignore[misc]
        assert len(house.events(code, "server.stopped")) == len(house.events(code, "server.started"))


def test_containers_outlive_a_killed_hub(house: House, docker_client: Any) -> None:
    visitor = house.login(ANALYST)
    lab = visitor.start_server()
    (before,) = running(docker_client, house, "0751")
    house.kill("hub", signal.SIGKILL)
    assert visitor.get(lab).status_code == 200, "the server answers while there is no hub"
    house.start("hub")
    assert "Kører" in visitor.get("/hub/home").text
    assert visitor.get(lab).status_code == 200
    (after,) = running(docker_client, house, "0751")
    assert after["Id"] == before["Id"]
    visitor.stop_server(ANALYST)
    wait_for(lambda: running(docker_client, house, "0751") == [], "the container to be gone")


def test_a_browser_cannot_choose_the_image(house: House, docker_client: Any) -> None:
    visitor = house.login(OTHER)
    answer = visitor.api("POST", f"/users/{OTHER}/server", json={"user_options": {"image": "faelleslab-bench/plain"}})
    assert answer.status_code in (201, 202), answer.text
    visitor.start_server()
    (container,) = running(docker_client, house, "0461")
    assert container["Image"] == docker_client.inspect_image("faelleslab/analytics")["Id"]
    visitor.stop_server(OTHER)


def test_the_hub_listens_on_loopback_and_gateways_alone(house: House) -> None:
    import psutil

    tenants = Tenants.load(house.settings.config)
    hub = psutil.Process(house.processes["hub"].pid)
    wanted = {"127.0.0.1", *(tenant.gateway for tenant in tenants)}

    def listening() -> set[str]:
        return {c.laddr.ip for c in hub.net_connections(kind="inet") if c.status == "LISTEN"}

    # Loopback first; the gateways follow a moment later.
    wait_for(lambda: listening() >= wanted, "the gateways", patience_s=20)
    assert listening() == wanted


def test_a_missing_image_is_said_in_danish_and_is_no_start(house: House) -> None:
    visitor = house.login("underviser")
    answer = visitor.get("/hub/spawn", follow_redirects=True)
    assert answer.status_code == 500
    assert "FL-L025" in answer.text
    assert house.events("kursus", "server.started") == []
