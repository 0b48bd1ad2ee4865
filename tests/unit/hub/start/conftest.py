"""A home of its own and five free ports for every test."""

import dataclasses
import random
from pathlib import Path

import pytest

from faelleslab_hub import ports
from faelleslab_hub.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("MODE", "BIND", "TLS_CERT", "TLS_KEY", "PUBLIC_URL", "DATABASE_URL", "CONFIG"):
        monkeypatch.delenv(f"FAELLESLAB_{name}", raising=False)
    monkeypatch.setenv("FAELLESLAB_HOME", str(tmp_path / "home"))
    port = ports.suggest(random.randrange(10000, 60000))
    monkeypatch.setenv("FAELLESLAB_PORT", str(port))
    return dataclasses.replace(Settings.from_environment(), port=port)
