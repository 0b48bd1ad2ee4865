"""The Lab extension is plain files: its address follows its content, and its settings reach nobody outside."""

import hashlib
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
EXTENSION = ROOT / "kit" / "labextension"


def test_the_address_follows_the_content() -> None:
    """Browsers keep a file with `v` for ever, so another content needs another address."""
    files = sorted((EXTENSION / "static").iterdir())
    content = hashlib.sha256(b"".join(f.name.encode() + b"\n" + f.read_bytes() for f in files)).hexdigest()[:10]
    build = json.loads((EXTENSION / "package.json").read_text())["jupyterlab"]["_build"]
    assert build["load"] == f"static/remoteEntry.js?v={content}", f"write ?v={content} in kit/labextension/package.json"


def test_the_version_is_the_kits() -> None:
    from faelleslab import __version__

    assert json.loads((EXTENSION / "package.json").read_text())["version"] == __version__


def test_no_markup_is_made_from_text_and_no_address_is_called() -> None:
    for path in (EXTENSION / "static").glob("*.js"):
        source = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|https?://", source), (
            path.name
        )


def test_settings_ask_nobody_outside() -> None:
    settings = json.loads((ROOT / "kit" / "labextension-settings" / "overrides.json").read_text())
    notifications = settings["@jupyterlab/apputils-extension:notification"]
    assert notifications == {"fetchNews": "false", "checkForUpdates": False}
    assert settings["@jupyterlab/extensionmanager-extension:plugin"]["enabled"] is False
    assert settings["@jupyterlab/translation-extension:plugin"]["locale"] == "da_DK"
