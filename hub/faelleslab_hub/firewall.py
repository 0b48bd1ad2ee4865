"""Close the host towards the tenants' bridges: only the hub's and the broker's port on the tenant's own gateway.

An internal Docker network still reaches every listener of the host that is bound to 0.0.0.0, on any of its addresses.
So one chain takes everything that comes in on a bridge of ours and refuses what is not named. Needs root; where the
hub has not got it, the administrator runs ``faelleslab-hub walls ensure`` (the Ansible role does).
"""

import os
import shutil
import subprocess
from collections.abc import Iterable

from faelleslab.errors import ConfigurationError
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import Tenant

_CHAIN = "FAELLESLAB"
# `+` is iptables' wildcard: every bridge of ours, those of tomorrow too.
_JUMP = ["-i", "fl-+", "-j", _CHAIN]
_LAST = ["-j", "REJECT"]


def available() -> bool:
    """Whether this process may set the machine's rules."""
    return os.geteuid() == 0 and shutil.which("iptables") is not None


def stands() -> bool:
    """Whether the wall is up, by whichever installation of this machine."""
    return _passes("-C", "INPUT", *_JUMP)


def ensure(settings: Settings, tenants: Iterable[Tenant]) -> list[str]:
    """Open hub and broker to each tenant and nothing else; gives the rules that were added (none the second time).

    Raises
    ------
    ConfigurationError
        FL-K113 when iptables refuses; the walls are then not complete and nothing should be started.
    """
    if not _passes("-n", "-L", _CHAIN):
        _iptables("-N", _CHAIN)
    added = []
    # The refusal first: between two commands the host is then closed too much, never too little.
    for rule in (_LAST, ["-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"]):
        if not _passes("-C", _CHAIN, *rule):
            _iptables(*(("-A", _CHAIN) if rule is _LAST else ("-I", _CHAIN, "1")), *rule)
            added.append(" ".join(rule))
    if not _passes("-C", "INPUT", *_JUMP):
        _iptables("-I", "INPUT", "1", *_JUMP)
        added.append(" ".join(_JUMP))
    for rule in _openings(settings, tenants):
        if not _passes("-C", _CHAIN, *rule):
            _iptables("-I", _CHAIN, "1", *rule)
            added.append(" ".join(rule))
    return added


def remove(settings: Settings, tenants: Iterable[Tenant]) -> None:
    """Take this installation's openings away, and the whole chain when no other installation has one."""
    for rule in _openings(settings, tenants):
        if _passes("-C", _CHAIN, *rule):
            _iptables("-D", _CHAIN, *rule)
    listed = _call("-S", _CHAIN)
    if listed.returncode == 0 and "--dport" not in listed.stdout:
        _call("-D", "INPUT", *_JUMP)
        _call("-F", _CHAIN)
        _call("-X", _CHAIN)


def _openings(settings: Settings, tenants: Iterable[Tenant]) -> list[list[str]]:
    return [
        ["-i", tenant.network, "-d", tenant.gateway, "-p", "tcp", "--dport", str(port), "-j", "ACCEPT"]
        for tenant in tenants
        for port in (settings.hub_port, settings.broker_port)
    ]


def _passes(*arguments: str) -> bool:
    return _call(*arguments).returncode == 0


def _iptables(*arguments: str) -> None:
    done = _call(*arguments)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["ukendt fejl"])[-1]
        raise ConfigurationError(
            "FL-K113",
            f"Maskinens firewall kan ikke sættes: {reason}.",
            rule="en kommunes containere må kun nå hubben og databrokeren på maskinen.",
            remedy="kør 'faelleslab-hub walls ensure' som root.",
        )


def _call(*arguments: str) -> subprocess.CompletedProcess[str]:
    # -w waits for the lock that Docker itself takes while it starts a container.
    command = ["iptables", "-w", "10", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", f"iptables: {error.strerror}")
