"""Ports that are taken and homes that cannot be used: one sentence, before anything is started."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from faelleslab.errors import ConfigurationError
from faelleslab_hub import installation, ports
from faelleslab_hub.settings import Settings


def test_free_ports_pass(settings: Settings) -> None:
    ports.need_free(settings)


@pytest.mark.parametrize("offset", range(5))
def test_a_taken_port_is_named_with_its_process_and_a_way_out(settings: Settings, offset: int) -> None:
    with socket.create_server(("127.0.0.1", settings.port + offset)):
        with pytest.raises(ConfigurationError) as error:
            ports.need_free(settings)
        text = str(error.value)
        assert error.value.code == "FL-K330"
        assert f"Port {settings.port + offset}" in text
        assert f"(proces {os.getpid()})" in text
        assert "PORT=" in text
    ports.need_free(settings)


def test_a_port_taken_on_all_addresses_is_seen(settings: Settings) -> None:
    with socket.create_server(("0.0.0.0", settings.port)), pytest.raises(ConfigurationError, match="optaget"):
        ports.need_free(settings)


def test_the_suggested_port_has_its_followers_free() -> None:
    base = ports.suggest(30000)
    with socket.create_server(("127.0.0.1", base + 3)):
        other = ports.suggest(base - 100)
        assert other != base
    assert ports.suggest(65499) == 8000


def test_nobody_listens(settings: Settings) -> None:
    assert ports.owner(settings.port) == ""


def test_one_workbench_per_home(settings: Settings) -> None:
    with installation.exclusive(settings):
        assert installation.holder(settings) is not None
        code = (
            "from faelleslab_hub import installation\nfrom faelleslab_hub.settings import Settings\n"
            "with installation.exclusive(Settings.from_environment()): print('in')"
        )
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert other.returncode != 0
        assert "FL-K331" in other.stderr
        assert str(os.getpid()) in other.stderr
    with installation.exclusive(settings):
        pass


def test_a_lock_file_of_a_dead_process_holds_nobody(settings: Settings) -> None:
    settings.home.mkdir()
    lock = settings.home / "running.lock"
    for content in (
        '{"pid": 1, "started": 12345678901}',
        '{"pid": 4194304, "started": 1}',
        "",
        "[]",
        "{",
        '{"pid": "x"}',
    ):
        lock.write_text(content)
        assert installation.holder(settings) is None
        with installation.exclusive(settings):
            pass


def test_a_home_that_is_a_file(settings: Settings) -> None:
    settings.home.write_text("")
    with pytest.raises(ConfigurationError) as error, installation.exclusive(settings):
        pass
    assert error.value.code == "FL-K336"


def test_a_home_below_a_file(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FAELLESLAB_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(ConfigurationError) as error, installation.exclusive(Settings.from_environment()):
        pass
    assert error.value.code == "FL-K336"


def test_the_lock_is_not_written_through_a_link(settings: Settings, tmp_path: Path) -> None:
    settings.home.mkdir()
    (tmp_path / "victim").write_text("precious")
    (settings.home / "running.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(ConfigurationError), installation.exclusive(settings):
        pass
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_full_disk_is_one_sentence(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError) as error, installation.exclusive(settings):
        raise OSError(28, "No space left on device")
    assert error.value.code == "FL-K334"
    monkeypatch.setattr(installation, "_NEEDED_BYTES", 2**60)
    with pytest.raises(ConfigurationError) as error, installation.exclusive(settings):
        pass
    assert error.value.code == "FL-K334"


def test_other_faults_are_not_called_a_full_disk(settings: Settings) -> None:
    with pytest.raises(PermissionError), installation.exclusive(settings):
        raise PermissionError(13, "Permission denied")


def test_the_lock_ends_with_its_holder_even_when_killed(settings: Settings) -> None:
    code = (
        "import os, signal\nfrom faelleslab_hub import installation\nfrom faelleslab_hub.settings import Settings\n"
        "with installation.exclusive(Settings.from_environment()): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with installation.exclusive(settings):
        assert installation.holder(settings) is not None
