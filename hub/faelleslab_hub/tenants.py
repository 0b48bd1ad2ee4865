"""The tenants: the 98 municipalities and the courses, and which of them this installation has switched on.

A municipality is switched on by the file ``<kommunekode>.yaml`` beside ``common.yaml``; a course tenant by
``kursus.yaml``. A tenant's code is always text ("0751"), never a number.
"""

import csv
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Self

import yaml

from faelleslab.errors import ConfigurationError

COURSE = "kursus"
# The chain and the "tenant" of acts that belong to no municipality: the operator's own.
OPERATION = "drift"
_CODE = re.compile(r"[0-9]{4}|" + COURSE)


@dataclass(frozen=True)
class Tenant:
    """A municipality or a course, with what its servers and runs are built from.

    ``subnet`` is its own internal bridge; ``memory_bytes``, ``cpus`` and ``pids`` are limits of one server or run.
    """

    code: str
    name: str
    subnet: ipaddress.IPv4Network
    image: str
    memory_bytes: int
    cpus: float
    pids: int
    run_timeout_s: int

    @property
    def network(self) -> str:
        """Name of the tenant's Docker network and of its bridge interface."""
        return f"fl-{self.code}"

    @property
    def gateway(self) -> str:
        """Address of the host on the tenant's network: hub, broker and nothing else listen there."""
        return str(self.subnet.network_address + 1)

    @property
    def display_name(self) -> str:
        """The name on every page."""
        return self.name if self.code == COURSE else f"{self.name} Kommune"


@dataclass(frozen=True)
class Tenants:
    """The tenants that are switched on, by code."""

    by_code: dict[str, Tenant]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read ``common.yaml`` and each tenant's file; raises `ConfigurationError` naming file and key."""
        common = _read(folder / "common.yaml")
        files = sorted(p for p in folder.glob("*.yaml") if p.name != "common.yaml")
        if not files:
            raise ConfigurationError(
                "FL-K010",
                f"Ingen kommune er slået til i {folder}.",
                remedy="opret en fil ved navn <kommunekode>.yaml, fx 0751.yaml.",
            )
        return cls({path.stem: _tenant(path, common) for path in files})

    def get(self, code: str) -> Tenant:
        """Give the tenant; raises `ConfigurationError` for one that is not switched on."""
        try:
            return self.by_code[code]
        except KeyError:
            known = ", ".join(self.by_code)
            raise ConfigurationError(
                "FL-K011",
                f"Kommunen '{code}' er ikke slået til her.",
                rule="kommunekoden er fire cifre, fx 0751.",
                remedy=f"vælg en af {known}, eller opret hub/municipalities/<kommunekode>.yaml.",
            ) from None

    def __iter__(self) -> Iterator[Tenant]:
        return iter(self.by_code.values())


@cache
def municipality_names() -> dict[str, str]:
    """Name of each of the 98 municipalities by its four-digit code (source: the authorities' list, October 2026)."""
    text = resources.files("faelleslab_hub").joinpath("municipalities.csv").read_text(encoding="utf-8")
    return {row["code"]: row["name"] for row in csv.DictReader(text.splitlines())}


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError("FL-K012", f"Filen {path} kan ikke læses ({error.strerror}).") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" linje {mark.line + 1}" if mark else ""
        raise ConfigurationError("FL-K013", f"Filen {path}{line} er ikke gyldig YAML.", remedy="ret linjen.") from None
    if not isinstance(content, dict):
        raise ConfigurationError("FL-K013", f"Filen {path} skal bestå af nøgler og værdier.", remedy="ret filen.")
    return content


def _tenant(path: Path, common: dict[str, Any]) -> Tenant:
    code = path.stem
    names = municipality_names()
    if not _CODE.fullmatch(code) or (code != COURSE and code not in names):
        raise ConfigurationError(
            "FL-K014",
            f"Filen {path.name} svarer ikke til en kommune.",
            rule=f"filen hedder <kommunekode>.yaml med en af de 98 kommunekoder, eller {COURSE}.yaml.",
            remedy="omdøb filen.",
        )
    own = _read(path)
    limits = {**common.get("limits", {}), **own.get("limits", {})}
    pool = _pool(common, path.with_name("common.yaml"))
    # The position in the built-in list fixes the subnet, so that switching one municipality on moves no other.
    index = len(names) if code == COURSE else sorted(names).index(code)
    subnet = ipaddress.IPv4Network((int(pool.network_address) + (index + 1) * 256, 24))
    if not subnet.subnet_of(pool):
        raise ConfigurationError(
            "FL-K015", "network_pool i common.yaml er for lille.", rule="99 /24-net skal kunne være der."
        )
    return Tenant(
        code=code,
        name=own.get("name") or names.get(code, "Kursus"),
        subnet=subnet,
        image=str(own.get("image") or _need(common, "image", path)),
        memory_bytes=int(_number(limits, "memory_mib", path)) * 2**20,
        cpus=_number(limits, "cpus", path),
        pids=int(_number(limits, "pids", path)),
        run_timeout_s=int(_number(limits, "run_timeout_s", path)),
    )


def _pool(common: dict[str, Any], path: Path) -> ipaddress.IPv4Network:
    text = str(_need(common, "network_pool", path))
    try:
        return ipaddress.IPv4Network(text)
    except ValueError:
        raise ConfigurationError(
            "FL-K018", f"network_pool '{text}' i {path} er ikke et IPv4-net.", remedy="skriv fx 10.98.0.0/16."
        ) from None


def _number(mapping: dict[str, Any], key: str, path: Path) -> float:
    value = _need(mapping, key, path)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ConfigurationError(
            "FL-K017",
            f"Nøglen 'limits.{key}' i {path} er ikke et tal over nul.",
            remedy="ret den, fx cpus: 2.",
        )
    return float(value)


def _need(mapping: dict[str, Any], key: str, path: Path) -> Any:
    if key not in mapping:
        raise ConfigurationError(
            "FL-K016", f"Nøglen '{key}' mangler i {path}.", remedy="tilføj den, her eller i common.yaml."
        )
    return mapping[key]
