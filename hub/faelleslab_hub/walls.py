"""`faelleslab-hub walls`: the tenants' networks and the host's firewall towards them, as systemd makes them at boot.

The processes of a server have no right to change the machine's rules; this one command runs as root before them.
"""

import argparse
from typing import Any

from faelleslab.errors import ConfigurationError
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import Tenants


def add_commands(subparsers: Any) -> None:
    """Add `walls ensure` and `walls remove`."""
    walls = subparsers.add_parser("walls", help="lav kommunernes net, og luk maskinen mod dem")
    tasks = walls.add_subparsers(dest="task", required=True, metavar="OPGAVE")
    tasks.add_parser("ensure", help="lav det, der mangler").set_defaults(handler=_ensure)
    tasks.add_parser("remove", help="fjern nettene og reglerne igen").set_defaults(handler=_remove)


def _ensure(_given: argparse.Namespace, settings: Settings) -> int:
    from faelleslab_hub import engine, firewall, networks

    _need_root()
    tenants = Tenants.load(settings.config)
    made = networks.ensure(engine.connect(), tenants)
    rules = firewall.ensure(settings, tenants)
    print(f"Oprettet: {len(made)} net og {len(rules)} regler." if made or rules else "Alt var på plads.")
    return 0


def _remove(_given: argparse.Namespace, settings: Settings) -> int:
    from faelleslab_hub import engine, firewall, networks

    _need_root()
    tenants = Tenants.load(settings.config)
    in_use = networks.remove(engine.connect(), tenants)
    firewall.remove(settings, tenants)
    print(f"Fjernet. Stadig i brug: {', '.join(in_use)}." if in_use else "Fjernet.")
    return 0


def _need_root() -> None:
    from faelleslab_hub import firewall

    if not firewall.available():
        raise ConfigurationError(
            "FL-K050",
            "Muren mod kommunernes net kan ikke laves.",
            rule="den kræver root og iptables; uden den når en container maskinens egne porte.",
            remedy="kør kommandoen som root, og installér pakken iptables.",
        )
