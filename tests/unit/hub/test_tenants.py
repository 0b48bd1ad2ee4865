"""Tenants: switched on by a file, one subnet each, never an integer."""

from pathlib import Path

import pytest
import yaml

from faelleslab.errors import ConfigurationError
from faelleslab_hub.tenants import COURSE, Tenants, municipality_names

COMMON = {
    "network_pool": "10.98.0.0/16",
    "image": "faelleslab/analytics",
    "limits": {"memory_mib": 1024, "cpus": 1, "pids": 256, "run_timeout_s": 60},
}


def _folder(tmp_path: Path, *codes: str, common: dict[str, object] | None = None) -> Path:
    (tmp_path / "common.yaml").write_text(yaml.safe_dump(common or COMMON))
    for code in codes:
        (tmp_path / f"{code}.yaml").write_text("limits: {}\n")
    return tmp_path


def test_there_are_98_municipalities() -> None:
    names = municipality_names()
    assert len(names) == 98
    assert names["0751"] == "Aarhus"
    assert "0411" not in names  # Christiansø is no municipality


def test_all_98_and_the_course_have_a_network_of_their_own(tmp_path: Path) -> None:
    tenants = Tenants.load(_folder(tmp_path, *municipality_names(), COURSE))
    assert len({t.subnet for t in tenants}) == 99
    assert len({t.gateway for t in tenants}) == 99
    assert len({t.network for t in tenants}) == 99
    assert all(len(t.network) <= 15 for t in tenants)  # the longest name of a bridge interface


def test_switching_one_on_moves_no_other(tmp_path: Path) -> None:
    before = Tenants.load(_folder(tmp_path, "0751")).get("0751").subnet
    assert Tenants.load(_folder(tmp_path, "0101", "0461")).get("0751").subnet == before


@pytest.mark.parametrize("name", ["751", "0411", "9999", "aarhus", "07510", "0751 "])
def test_a_file_that_is_no_municipality_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="FL-K014") as caught:
        Tenants.load(_folder(tmp_path, name))
    assert f"{name}.yaml" in str(caught.value)


def test_own_limits_win(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "0751")
    (folder / "0751.yaml").write_text("limits: {memory_mib: 512}\n")
    tenant = Tenants.load(folder).get("0751")
    assert (tenant.memory_bytes, tenant.pids) == (512 * 2**20, 256)


@pytest.mark.parametrize(
    ("content", "code"),
    [("limits: [", "FL-K013"), ("- a\n", "FL-K013"), ("limits: {cpus: mange}\n", "FL-K017")],
)
def test_a_bad_file_is_one_sentence(tmp_path: Path, content: str, code: str) -> None:
    folder = _folder(tmp_path, "0751")
    (folder / "0751.yaml").write_text(content)
    with pytest.raises(ConfigurationError, match=code) as caught:
        Tenants.load(folder)
    assert "0751.yaml" in str(caught.value)


def test_an_unknown_tenant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="FL-K011"):
        Tenants.load(_folder(tmp_path, "0751")).get("0461")


def test_a_small_pool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="FL-K015"):
        Tenants.load(_folder(tmp_path, "0860", common={**COMMON, "network_pool": "10.98.0.0/24"}))
