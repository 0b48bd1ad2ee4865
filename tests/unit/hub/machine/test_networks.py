"""A subnet that is taken, or a network that is half a wall, is named before anything is started."""

import ipaddress
from pathlib import Path
from typing import Any

import pytest

from faelleslab.errors import ConfigurationError
from faelleslab_hub import networks
from faelleslab_hub.tenants import Tenant

TENANT = Tenant("0751", "Aarhus", ipaddress.IPv4Network("10.98.75.0/24"), "i", 2**30, 1.0, 64, 60)


class Engine:
    """The two questions and the one act that `networks` has for Docker."""

    def __init__(self, *present: dict[str, Any]) -> None:
        self.present = list(present)
        self.created: list[str] = []

    def networks(self) -> list[dict[str, Any]]:
        return self.present

    def inspect_network(self, network_id: str) -> dict[str, Any]:
        return next(n for n in self.present if network_id in (n["Id"], n["Name"]))

    def create_network(self, name: str, **options: Any) -> None:
        assert options["internal"] is True
        self.created.append(name)


def network(name: str, subnet: str | None, **changes: Any) -> dict[str, Any]:
    options = {
        "com.docker.network.bridge.name": name,
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.enable_ip_masquerade": "false",
    } | changes.pop("Options", {})
    config = [{"Subnet": subnet, "Gateway": "10.98.75.1"}] if subnet else []
    return {
        "Id": f"id-{name}",
        "Name": name,
        "Driver": "bridge",
        "Internal": True,
        "EnableIPv6": False,
        "IPAM": {"Config": config},
        "Options": options,
        **changes,
    }


@pytest.fixture(autouse=True)
def routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    table = tmp_path / "route"
    table.write_text("Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n")
    monkeypatch.setattr(networks, "_ROUTES", table)
    return table


def test_a_right_network_is_used_as_it_is():
    engine = Engine(network("fl-0751", "10.98.75.0/24"))
    assert networks.ensure(engine, [TENANT]) == []
    assert engine.created == []


def test_networks_without_a_subnet_do_not_matter():
    engine = Engine(network("host", None), network("none", None))
    assert networks.ensure(engine, [TENANT]) == ["fl-0751"]


@pytest.mark.parametrize("subnet", ["10.98.75.0/24", "10.98.0.0/16", "10.98.75.128/25"])
def test_another_network_on_the_subnet_is_named(subnet: str):
    with pytest.raises(ConfigurationError, match=r"10\.98\.75\.0/24 til Aarhus Kommune overlapper andet-net .*FL-K110"):
        networks.ensure(Engine(network("andet-net", subnet)), [TENANT])


def test_a_route_of_the_machine_on_the_subnet_is_named(routes: Path):
    with routes.open("a") as table:
        table.write("tun0 0000620A 00000000 0001 0 0 0 0000FFFF 0 0 0\n")  # 10.98.0.0/16
    with pytest.raises(ConfigurationError, match=r"overlapper ruten på tun0 \(10\.98\.0\.0/16\)"):
        networks.ensure(Engine(), [TENANT])


def test_the_default_route_is_not_an_overlap(routes: Path):
    with routes.open("a") as table:
        table.write("eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0\n")
    assert networks.ensure(Engine(), [TENANT]) == ["fl-0751"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"Internal": False}, "internal"),
        ({"EnableIPv6": True}, "EnableIPv6"),
        ({"Driver": "macvlan"}, "driver"),
        ({"Options": {"com.docker.network.bridge.enable_icc": "true"}}, "enable_icc"),
        ({"Options": {"com.docker.network.bridge.name": "br-x"}}, "bridge.name"),
        ({"IPAM": {"Config": [{"Subnet": "10.98.75.0/24"}]}}, "gateway"),
        ({"IPAM": {"Config": [{"Subnet": "10.98.76.0/24", "Gateway": "10.98.75.1"}]}}, "subnet"),
    ],
)
def test_half_a_wall_is_named(changes: dict[str, Any], named: str):
    with pytest.raises(ConfigurationError, match=rf"fl-0751 findes, men \S*{named} er .*FL-K111"):
        networks.ensure(Engine(network("fl-0751", "10.98.75.0/24", **changes)), [TENANT])
