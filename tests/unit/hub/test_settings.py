"""Settings: read once, closed by default."""

from pathlib import Path

import pytest

from faelleslab.errors import ConfigurationError
from faelleslab_hub.settings import Settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "MODE",
        "HOME",
        "BIND",
        "PORT",
        "CONFIG",
        "DATABASE_URL",
        "PUBLIC_URL",
        "TLS_CERT",
        "TLS_KEY",
    ):
        monkeypatch.delenv(f"FAELLESLAB_{name}", raising=False)
    monkeypatch.setenv("FAELLESLAB_HOME", str(tmp_path))


def test_default_is_the_closed_demo(tmp_path: Path) -> None:
    settings = Settings.from_environment()
    assert (settings.mode, settings.bind, settings.port) == ("embedded", "127.0.0.1", 8000)
    assert settings.database_url == f"sqlite:///{tmp_path / 'faelleslab.sqlite'}"


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "192.0.2.7", "example.org", "127.0.0.1.example.org"])
def test_the_demo_refuses_all_but_loopback(monkeypatch: pytest.MonkeyPatch, bind: str) -> None:
    monkeypatch.setenv("FAELLESLAB_BIND", bind)
    with pytest.raises(ConfigurationError, match="FL-K003"):
        Settings.from_environment()


def test_beyond_loopback_only_with_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAELLESLAB_MODE", "docker")
    monkeypatch.setenv("FAELLESLAB_BIND", "0.0.0.0")
    with pytest.raises(ConfigurationError, match="FL-K004"):
        Settings.from_environment()
    monkeypatch.setenv("FAELLESLAB_TLS_CERT", "/c.pem")
    monkeypatch.setenv("FAELLESLAB_TLS_KEY", "/k.pem")
    assert Settings.from_environment().public_url.startswith("https://")


@pytest.mark.parametrize("port", ["80", "0", "-1", "65535", "8000x", "٨٠٠٠", "8e3", " 8000"])
def test_a_bad_port_is_one_sentence(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("FAELLESLAB_PORT", port)
    with pytest.raises(ConfigurationError, match="FL-K002"):
        Settings.from_environment()


def test_a_child_reads_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAELLESLAB_MODE", "docker")
    monkeypatch.setenv("FAELLESLAB_PORT", "8123")
    settings = Settings.from_environment()
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings.from_environment() == settings
