"""The tests' own machinery: nothing leaves the machine, and what was not run is said."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.machine import packages
from tests.machine.network_guard import NetworkBlockedError

from faelleslab_hub.settings import CHECKOUT


@pytest.mark.parametrize("address", [("192.0.2.7", 80), ("8.8.8.8", 53), ("2001:db8::1", 80), ("example.org", 443)])
def test_a_test_cannot_leave_the_machine(address: tuple[str, int]) -> None:
    with pytest.raises(NetworkBlockedError):
        socket.create_connection(address, timeout=0.1)


def test_udp_cannot_leave_either() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, pytest.raises(NetworkBlockedError):
        sender.sendto(b"x", ("192.0.2.7", 9))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_open(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        socket.create_connection((host, listener.getsockname()[1]), timeout=5).close()


def test_without_rights_the_reason_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "missing", lambda: ["docker", "chromium"])
    monkeypatch.setattr(packages, "rights", lambda: None)
    monkeypatch.setattr(packages, "_distribution", lambda: "debian")
    assert packages.install(print) == "docker, chromium mangler, og der er hverken root eller sudo uden adgangskode"
    monkeypatch.setattr(packages, "_distribution", lambda: "fedora")
    assert "kun Debian og Ubuntu" in str(packages.install(print))


@pytest.mark.parametrize(("distribution", "chromium"), [("debian", "chromium"), ("ubuntu", "chromium-browser")])
def test_the_packages_of_each_distribution(monkeypatch: pytest.MonkeyPatch, distribution: str, chromium: str) -> None:
    asked: list[str] = []
    found = iter([["docker", "chromium"], []])
    monkeypatch.setattr(packages, "missing", lambda: next(found))
    monkeypatch.setattr(packages, "rights", lambda: [])
    monkeypatch.setattr(packages, "_distribution", lambda: distribution)
    monkeypatch.setattr(packages, "_apt", lambda _root, names: not asked.extend(names))
    assert packages.install(lambda _: None) is None
    assert {"docker.io", chromium} <= set(asked)


@pytest.mark.parametrize(("ci", "code", "word"), [("", 0, "1 skipped"), ("true", 1, "1 error")])
def test_a_missing_part_is_listed_and_fails_in_ci(tmp_path: Path, ci: str, code: int, word: str) -> None:
    test = tmp_path / "test_needs.py"
    test.write_text(
        "import pytest\n@pytest.mark.docker\ndef test_with(): pass\ndef test_without(): pass\n", encoding="utf-8"
    )
    # An engine that is not there, and no program that could start one.
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path), "DOCKER_HOST": "unix:///nowhere", "CI": ci}
    paths = os.pathsep.join(str(CHECKOUT / part) for part in ("kit", "hub", "."))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    command += ["-c", str(CHECKOUT / "pyproject.toml"), f"--rootdir={CHECKOUT}", "-o", "addopts=", str(test)]
    done = subprocess.run(
        command, env={**environment, "PYTHONPATH": paths}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Ikke kørt: 1 i" in done.stdout
    assert "1 passed" in done.stdout
    assert word in done.stdout
