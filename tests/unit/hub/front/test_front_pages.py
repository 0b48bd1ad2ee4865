"""What the pages say: always Danish, always with a code, never what an exception holds."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado import web

from faelleslab.errors import AccessError
from faelleslab_hub import handlers, notebooks
from faelleslab_hub.pages import DanishError, ServerRefused, page_error, server_error
from faelleslab_hub.settings import CHECKOUT, Settings

TEMPLATES = CHECKOUT / "hub" / "faelleslab_hub" / "templates"


@given(st.integers(min_value=400, max_value=599), st.text(min_size=8))
def test_every_status_has_a_text_and_no_exception_speaks(status: int, secret: str) -> None:
    for exception in (None, web.HTTPError(status, secret), ValueError(secret)):
        error = page_error(status, exception)
        assert error.code.startswith("FL-L02")
        assert error.what
        assert error.remedy
        assert secret not in str(error)


def test_our_own_errors_speak_for_themselves() -> None:
    own = AccessError("FL-L099", "Egen fejl.")
    assert page_error(500, DanishError(503, own)) is own
    assert server_error(ServerRefused(403, own, reason="role")) is own
    assert server_error(TimeoutError()).code == "FL-L012"
    assert server_error(RuntimeError("English")).code == "FL-L013"
    assert DanishError(429, own, {"Retry-After": "3"}).headers == {"Retry-After": "3"}


def test_the_policy_of_the_pages_allows_nothing_inline() -> None:
    assert "unsafe" not in handlers.CONTENT_SECURITY_POLICY
    assert handlers.CONTENT_SECURITY_POLICY.startswith("default-src 'none'")


@pytest.mark.parametrize(
    "path", sorted((CHECKOUT / "hub/faelleslab_hub/templates").glob("*.html")), ids=lambda p: p.name
)
def test_templates_have_no_inline_script_style_or_foreign_address(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert " style=" not in text
    assert " onclick" not in text
    assert "://" not in text
    assert "<style" not in text
    assert all("src=" in part.split(">")[0] for part in text.split("<script")[1:])
    assert "| safe" not in text or path.name == "login.html"


def test_templates_replace_every_english_page_a_user_can_meet() -> None:
    ours = {p.name for p in TEMPLATES.glob("*.html")}
    assert ours >= {"page.html", "login.html", "home.html", "logout.html", "error.html", "404.html", "oauth.html"}
    assert ours >= {"spawn_pending.html", "stop_pending.html", "not_running.html"}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("FAELLESLAB_HOME", str(tmp_path))
    return Settings.from_environment()


def notebook(folder: Path, name: str, metadata: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps({"cells": [], "metadata": metadata}), encoding="utf-8")


def test_built_templates_are_listed_by_code(settings: Settings) -> None:
    folder = notebooks.built_folder(settings)
    notebook(folder, "b.ipynb", {"faelleslab": {"template": "T0", "title": "Nøgletal"}})
    notebook(folder, "a.ipynb", {"faelleslab": {"template": "T1", "title": "Prognose"}})
    notebook(folder, "æ.ipynb", {})
    (folder / "broken.ipynb").write_text("{", encoding="utf-8")
    found = notebooks.templates(settings)
    assert [t.title for t in found] == ["broken", "æ", "Nøgletal", "Prognose"]
    assert found[2].path == "skabeloner/b.ipynb"


def test_copies_never_overwrite_and_never_follow_a_link(settings: Settings, tmp_path: Path) -> None:
    source, home, elsewhere = tmp_path / "built", tmp_path / "home", tmp_path / "elsewhere"
    notebook(source, "t0.ipynb", {"new": True})
    notebook(source, "t1.ipynb", {"new": True})
    for folder in (home, elsewhere):
        folder.mkdir()
    notebooks.copy_missing(source, home)
    (home / "skabeloner" / "t0.ipynb").write_text("mine")
    (home / "skabeloner" / "t1.ipynb").unlink()
    (home / "skabeloner" / "t1.ipynb").symlink_to(elsewhere / "outside")
    notebooks.copy_missing(source, home)
    assert (home / "skabeloner" / "t0.ipynb").read_text() == "mine"
    assert list(elsewhere.iterdir()) == []

    other = tmp_path / "other"
    other.mkdir()
    (other / "skabeloner").symlink_to(elsewhere)
    notebooks.copy_missing(source, other)
    assert list(elsewhere.iterdir()) == []
