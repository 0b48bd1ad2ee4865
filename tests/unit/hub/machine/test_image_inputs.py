"""Same inputs, same tag; and what the host must bring is named when it is missing."""

import shutil
from pathlib import Path

import pytest

from faelleslab.errors import ConfigurationError
from faelleslab_hub.images import recipes, wheels
from faelleslab_hub.settings import CHECKOUT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for folder, file in (("images/base", "Dockerfile"), ("images/base", "verify"), ("kit/faelleslab", "__init__.py")):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / file).write_text(file)
    return tmp_path


def tag(checkout: Path, parent: str = "sha256:a") -> str:
    return recipes.Recipe("base", None, ("kit", "not-written-yet"), checkout).tag(parent)


def test_the_tag_follows_contents_names_modes_and_parent(checkout: Path):
    tags = [tag(checkout), tag(checkout, "sha256:b")]
    source = checkout / "kit/faelleslab/__init__.py"
    source.write_text("other")
    tags.append(tag(checkout))
    source.chmod(0o755)
    tags.append(tag(checkout))
    source.rename(source.with_name("other.py"))
    tags.append(tag(checkout))
    assert len(set(tags)) == 5


def test_what_is_not_in_the_image_does_not_change_the_tag(checkout: Path):
    before = tag(checkout)
    for name in ("kit/__pycache__/x.pyc", "kit/node_modules/x.js", "images/base/README.md", "kit/built.ipynb"):
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).write_text("x")
    (checkout / "images/base/verify").write_text("another check")
    assert tag(checkout) == before


def test_a_checkout_below_a_folder_that_is_left_out_still_counts(tmp_path: Path):
    below = tmp_path / "node_modules" / "checkout"
    (below / "images/base").mkdir(parents=True)
    before = tag(below)
    (below / "images/base/Dockerfile").write_text("x")
    assert tag(below) != before


def test_an_unknown_image_is_refused():
    with pytest.raises(ConfigurationError, match=r"vælg et af base, analytics, course.*FL-K103"):
        recipes.find("basis")


def test_the_pins_leave_the_slow_package_out():
    pins = wheels.needed(CHECKOUT / "images/constraints/base.txt")
    assert pins["jupyterlab"]
    assert "rfc3987-syntax" not in pins


def test_wheels_are_found_by_name_in_any_spelling_and_by_version(tmp_path: Path):
    for name in ("Foo_Bar-1.0-py3-none-any.whl", "foo_bar-2.0-py3-none-any.whl", "other-1.0-py3-none-any.whl"):
        (tmp_path / name).touch()
    found = wheels.present(tmp_path, {"foo-bar": "1.0", "missing": "1"})
    assert [wheel.name for wheel in found.values()] == ["Foo_Bar-1.0-py3-none-any.whl"]


def test_a_failed_download_shows_no_index_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    constraints = tmp_path / "base.txt"
    constraints.write_text("faelleslab-no-such-package==1.0\n")
    monkeypatch.setattr(wheels, "CHECKOUT", tmp_path)
    # A pip that behaves as the real one does when an index refuses: its text repeats the address.
    pip = tmp_path / "pip"
    pip.write_text("#!/bin/sh\necho 'Looking in indexes: https://user:secret@index.invalid' >&2\nexit 1\n")
    pip.chmod(0o755)
    monkeypatch.setattr(wheels, "_find_pip", lambda: [str(pip)])
    with pytest.raises(ConfigurationError, match="FL-K106") as caught:
        wheels.download(tmp_path / "wheels", [constraints], lambda _: None)
    assert "secret" not in str(caught.value)
    log = tmp_path / "build" / "pip.log"
    assert "secret" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_nothing_is_downloaded_when_all_wheels_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    constraints = tmp_path / "base.txt"
    constraints.write_text("one==1.0\n")
    (tmp_path / "one-1.0-py3-none-any.whl").touch()
    (tmp_path / "one-0.9-py3-none-any.whl").touch()
    monkeypatch.setattr(wheels, "_find_pip", lambda: pytest.fail("pip was called"))
    assert [w.name for w in wheels.download(tmp_path, [constraints], print)] == ["one-1.0-py3-none-any.whl"]


def test_every_recipe_has_its_files():
    for recipe in recipes.RECIPES:
        assert (recipe.folder / "Dockerfile").exists()
        assert (recipe.folder / "README.md").exists()
        assert shutil.which(str(recipe.folder / "verify")), f"{recipe.name}/verify is not executable"
