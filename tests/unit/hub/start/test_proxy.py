"""The proxy: no secret in its arguments, nothing of ours in its environment, Danish pages, a clean end."""

import contextlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from faelleslab.errors import ConfigurationError
from faelleslab_hub import proxy, secret_files, workbench
from faelleslab_hub.settings import Settings


@pytest.fixture
def running(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    secret_files.create_missing(settings)
    process = subprocess.Popen([sys.executable, "-m", "faelleslab_hub.cli", "proxy"], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (
        workbench.listens("127.0.0.1", settings.port) and workbench.listens("127.0.0.1", settings.proxy_api_port)
    ):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


def test_no_secret_in_the_arguments(settings: Settings) -> None:
    secret_files.create_missing(settings)
    token = secret_files.read(settings, "proxy", "proxy-token")
    assert token not in " ".join(proxy.arguments(settings))
    assert proxy.environment(settings)["CONFIGPROXY_AUTH_TOKEN"] == token


def test_only_what_node_needs_is_in_its_environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    secret_files.create_missing(settings)
    monkeypatch.setenv("NODE_OPTIONS", "--inspect=0.0.0.0")
    monkeypatch.setenv("SOME_TOKEN", "x")
    assert set(proxy.environment(settings)) <= {"PATH", "LANG", "LC_ALL", "TZ", "CONFIGPROXY_AUTH_TOKEN"}


def test_without_its_token_it_does_not_start(settings: Settings) -> None:
    with pytest.raises(ConfigurationError) as error:
        proxy.main(settings)
    assert error.value.code == "FL-K301"


def test_a_certificate_that_cannot_be_read(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAELLESLAB_TLS_CERT", str(tmp_path / "none.pem"))
    monkeypatch.setenv("FAELLESLAB_TLS_KEY", str(tmp_path / "none.key"))
    with pytest.raises(ConfigurationError) as error:
        proxy.main(Settings.from_environment())
    assert error.value.code == "FL-K311"


def test_a_missing_proxy_names_the_command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "_SCRIPT", Path("/nowhere/proxy"))
    with pytest.raises(ConfigurationError, match="make demo") as error:
        proxy.main(settings)
    assert error.value.code == "FL-K310"


def test_before_the_hub_is_there_the_page_is_danish(settings: Settings, running: subprocess.Popen[bytes]) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"http://127.0.0.1:{settings.port}/hub/login", timeout=10)
    with error.value as answer:
        page = answer.read().decode()
    assert answer.code == 404
    assert '<html lang="da">' in page
    assert "ved at starte" in page


def test_the_api_wants_the_token(settings: Settings, running: subprocess.Popen[bytes]) -> None:
    address = f"http://127.0.0.1:{settings.proxy_api_port}/api/routes"
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(address, timeout=10)
    with error.value as answer:
        assert answer.code == 403
    token = secret_files.read(settings, "proxy", "proxy-token")
    request = urllib.request.Request(address, headers={"Authorization": f"token {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def test_it_listens_where_it_was_told_and_nowhere_else(settings: Settings, running: subprocess.Popen[bytes]) -> None:
    sockets = set()
    for descriptor in Path(f"/proc/{running.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed while we look
            sockets.add(str(descriptor.readlink()))
    rows = [
        line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    mine = {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}
    assert mine == {f"0100007F:{port:04X}" for port in (settings.port, settings.proxy_api_port)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_that_was_asked_for_is_no_failure(running: subprocess.Popen[bytes], number: signal.Signals) -> None:
    running.send_signal(number)
    assert running.wait(10) == 0


@pytest.mark.parametrize(
    "page", sorted(Path(proxy.__file__).with_name("proxy_pages").glob("*.html")), ids=lambda p: p.stem
)
def test_the_pages_stand_alone(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert '<html lang="da">' in text
    assert "<h1>" in text
    assert "http-equiv" not in text  # a page that reloads itself moves the ground under a screen reader
    assert "src=" not in text
