"""One internal bridge per tenant: no way out, and no way from one user's container to another's.

The promise: after `ensure`, a tenant's network exists with exactly these options, or the call has failed by name.
`--internal` does not protect the host itself; `faelleslab_hub.firewall` closes that side.
"""

import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from faelleslab.errors import ConfigurationError
from faelleslab_hub.tenants import Tenant

LABEL_TENANT = "dk.faelleslab.tenant"
_ROUTES = Path("/proc/net/route")


def ensure(client: Any, tenants: Iterable[Tenant]) -> list[str]:
    """Make the missing networks with a `docker.APIClient`; gives the names of those that were made.

    Raises
    ------
    ConfigurationError
        FL-K110 when a tenant's subnet overlaps another network, FL-K111 when an existing network has other options.
    """
    made = []
    existing = client.networks()
    for tenant in tenants:
        own = next((n for n in existing if n["Name"] == tenant.network), None)
        if own is not None:
            _need_right_options(client.inspect_network(own["Id"]), tenant)
            continue
        _need_free(tenant, existing)
        _create(client, tenant)
        made.append(tenant.network)
    return made


def remove(client: Any, tenants: Iterable[Tenant]) -> list[str]:
    """Remove the tenants' networks that no container uses; gives the names of those that are still in use."""
    in_use = []
    for tenant in tenants:
        try:
            network = client.inspect_network(tenant.network)
            if network["Labels"].get(LABEL_TENANT) == tenant.code:
                client.remove_network(network["Id"])
        except NotFound:
            continue
        except APIError:
            in_use.append(tenant.network)
    return in_use


def _options(tenant: Tenant) -> dict[str, str]:
    return {
        "com.docker.network.bridge.name": tenant.network,
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.enable_ip_masquerade": "false",
    }


def _create(client: Any, tenant: Tenant) -> None:
    # Without an explicit gateway Docker reports none, and the hub's address in the servers becomes "http://:port".
    pool = IPAMPool(subnet=str(tenant.subnet), gateway=tenant.gateway)
    try:
        client.create_network(
            tenant.network,
            driver="bridge",
            options=_options(tenant),
            ipam=IPAMConfig(pool_configs=[pool]),
            internal=True,
            check_duplicate=True,
            labels={LABEL_TENANT: tenant.code},
        )
    except APIError as error:
        if error.status_code == 409:  # another process of ours was first
            _need_right_options(client.inspect_network(tenant.network), tenant)
            return
        raise ConfigurationError(
            "FL-K112",
            f"Netværket {tenant.network} kan ikke oprettes: {error.explanation}.",
            remedy="se dockerds log, og prøv igen.",
        ) from None


def _need_free(tenant: Tenant, existing: list[dict[str, Any]]) -> None:
    taken = [(network["Name"], subnet) for network in existing for subnet in _subnets(network)]
    taken += [(f"ruten på {interface}", subnet) for interface, subnet in _host_routes() if interface != tenant.network]
    for name, subnet in taken:
        if subnet.overlaps(tenant.subnet):
            raise ConfigurationError(
                "FL-K110",
                f"Nettet {tenant.subnet} til {tenant.display_name} overlapper {name} ({subnet}).",
                remedy="vælg en anden network_pool i hub/municipalities/common.yaml, eller fjern det andet net.",
            )


def _subnets(network: dict[str, Any]) -> list[ipaddress.IPv4Network]:
    found = []
    for config in (network.get("IPAM") or {}).get("Config") or []:
        subnet = ipaddress.ip_network(config["Subnet"], strict=False) if config.get("Subnet") else None
        if isinstance(subnet, ipaddress.IPv4Network):
            found.append(subnet)
    return found


def _host_routes(table: Path | None = None) -> list[tuple[str, ipaddress.IPv4Network]]:
    """Give the machine's own networks (interface, net), without the default route and Docker's bridges."""
    try:
        lines = (table or _ROUTES).read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    routes = []
    for line in lines:
        fields = line.split()
        interface, destination, mask = fields[0], fields[1], fields[7]
        # The kernel prints the addresses as little-endian hexadecimal.
        address = ipaddress.IPv4Address(bytes.fromhex(destination)[::-1])
        netmask = ipaddress.IPv4Address(bytes.fromhex(mask)[::-1])
        if int(netmask):
            routes.append((interface, ipaddress.IPv4Network(f"{address}/{netmask}")))
    return routes


def _need_right_options(network: dict[str, Any], tenant: Tenant) -> None:
    """Name the first option of an existing network that is not ours: half a wall must not pass for a wall."""
    options = network.get("Options") or {}
    configs = (network.get("IPAM") or {}).get("Config") or [{}]
    checks = [
        ("driver", network.get("Driver"), "bridge"),
        ("internal", network.get("Internal"), True),
        ("EnableIPv6", network.get("EnableIPv6"), False),
        ("subnet", configs[0].get("Subnet"), str(tenant.subnet)),
        ("gateway", configs[0].get("Gateway"), tenant.gateway),
        *((name, options.get(name), value) for name, value in _options(tenant).items()),
    ]
    for name, found, wanted in checks:
        if found != wanted:
            raise ConfigurationError(
                "FL-K111",
                f"Netværket {tenant.network} findes, men {name} er '{found}' i stedet for '{wanted}'.",
                rule="en kommunes netværk er lukket udadtil og mellem brugerne.",
                remedy=f"stop dets containere, og kør 'docker network rm {tenant.network}'; det laves igen ved start.",
            )
