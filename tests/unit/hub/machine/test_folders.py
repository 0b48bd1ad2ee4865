"""The folders a container sees are closed to everybody else, and a planted link gives nothing away."""

import os
from pathlib import Path

import pytest

from faelleslab.errors import ConfigurationError
from faelleslab_hub import folders
from faelleslab_hub.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("FAELLESLAB_MODE", "docker")
    monkeypatch.setenv("FAELLESLAB_HOME", str(tmp_path / "state"))
    return Settings.from_environment()


def test_a_home_is_the_containers_and_its_parents_are_not(settings: Settings):
    home = folders.ensure_home(settings, "0751", "k3f9")
    assert (home.stat().st_uid, home.stat().st_gid) == folders.container_owner()
    assert home.stat().st_mode & 0o777 == 0o700
    for parent in (settings.home / "homes", settings.home / "homes" / "0751"):
        assert parent.stat().st_mode & 0o777 == 0o700
        assert parent.stat().st_uid == os.getuid()


def test_a_second_time_keeps_what_is_there(settings: Settings):
    (folders.ensure_home(settings, "0751", "k3f9") / "arbejde.txt").write_text("æøå", encoding="utf-8")
    assert (folders.ensure_home(settings, "0751", "k3f9") / "arbejde.txt").read_text(encoding="utf-8") == "æøå"


def test_the_container_never_runs_as_root():
    assert 0 not in folders.container_owner()


def test_a_link_in_place_of_a_home_is_refused_and_its_target_untouched(settings: Settings, tmp_path: Path):
    target = tmp_path / "secret"
    target.mkdir(mode=0o755)
    before = target.stat()
    link = settings.account_home("0751", "k3f9")
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    with pytest.raises(ConfigurationError, match="FL-K122"):
        folders.ensure_home(settings, "0751", "k3f9")
    assert (target.stat().st_uid, target.stat().st_mode) == (before.st_uid, before.st_mode)


def test_a_file_in_place_of_a_folder_is_named(settings: Settings):
    settings.home.mkdir(parents=True)
    (settings.home / "homes").write_text("")
    with pytest.raises(ConfigurationError, match="FL-K122"):
        folders.ensure_home(settings, "0751", "k3f9")


def test_a_run_has_input_and_output(settings: Settings):
    given, taken = folders.ensure_run(settings, "0751", "r1")
    assert given == settings.run_folder("0751", "r1") / "input"
    assert taken == settings.run_folder("0751", "r1") / "output"
    assert taken.stat().st_uid == folders.container_owner()[0]
