"""`make demo` as a newcomer meets it: it starts, says what to try, survives, refuses clearly, and leaves nothing."""

import dataclasses
import os
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest
from tests.integration.running_demo import Demo, command, left, listening, running, wait_for

from faelleslab_hub import ports, process_tree

SECOND_START_S = 10.0


def _refused(home: Path, port: int | str, **more: str) -> str:
    words, env = command(home, port)
    result = subprocess.run(
        words, env={**env, **more}, capture_output=True, text=True, encoding="utf-8", check=False, timeout=120
    )
    assert result.returncode not in (0, 70), result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert "Klar:" not in result.stdout
    assert left(home) == {}
    return result.stderr.strip().splitlines()[-1]


def test_it_says_what_to_try_and_that_it_has_no_isolation(demo: Demo) -> None:
    text = "\n".join(demo.output)
    assert f"Klar: http://127.0.0.1:{demo.port}" in demo.output
    for account in (
        *("analytiker-0751", "dataejer-0751", "godkender-0751", "dpo-0751"),
        *("analytiker-0461", "underviser", "deltager-01", "it-drift"),
    ):
        assert account in text
    assert "INGEN isolation" in text
    assert str(demo.home) in text
    assert "Ctrl-C" in text


def test_what_it_says_is_true(demo: Demo) -> None:
    """The password opens an account, and a wrong one does not."""
    with demo.log_in("dataejer-0751") as client:
        assert client.get("/hub/home").status_code == 200
    wrong = dataclasses.replace(demo, password="forkert")
    with pytest.raises(AssertionError), wrong.log_in("dpo-0751"):
        pass


def test_it_listens_on_loopback_only(demo: Demo) -> None:
    mine = set(process_tree.descendants(demo.process.pid))
    addresses = {address for address, _ in listening(mine)}
    assert addresses
    assert addresses <= {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


def test_its_files_are_closed_to_others(demo: Demo) -> None:
    assert demo.home.stat().st_mode & 0o077 == 0
    for path in (*(demo.home / "logs").iterdir(), *(demo.home / "secrets").rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_no_secret_is_in_an_argument_or_a_log(demo: Demo) -> None:
    secrets = [path.read_text().strip() for path in (demo.home / "secrets").rglob("*") if path.is_file()]
    arguments = "".join(
        Path(f"/proc/{pid}/cmdline").read_text(errors="replace") for pid in process_tree.descendants(demo.process.pid)
    )
    written = "".join(path.read_text(errors="replace") for path in (demo.home / "logs").rglob("*.log"))
    for secret in secrets:
        assert secret not in arguments
        assert secret not in written


def test_a_killed_hub_comes_back_and_the_server_goes_on(demo: Demo) -> None:
    with demo.log_in() as client:
        demo.start_server(client)
        before = demo.processes()
        (server,) = _servers(demo)
        os.kill(before["hub"], signal.SIGKILL)
        # The proxy and the server are at work while the hub is away.
        assert client.get("/user/analytiker-0751/api/status").status_code in (200, 403, 503)
        wait_for(lambda: demo.processes().get("hub", before["hub"]) != before["hub"], 30)
        wait_for(lambda: client.get("/hub/home").status_code == 200, 60)
        assert _servers(demo) == [server]
        wait_for(lambda: client.get("/user/analytiker-0751/api/status").status_code == 200, 60)
        assert "/hub/login" not in str(client.get("/hub/home").url), "the session was lost"
    assert any("'hub' stoppede (signal 9)" in line for line in demo.output)
    words, env = command(demo.home, demo.port)
    verified = subprocess.run([*words[:-1], "audit", "verify"], env=env, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.parametrize("name", ["web", "broker", "placer", "inspector", "proxy"])
def test_every_process_comes_back(demo: Demo, name: str) -> None:
    before = demo.processes()
    os.kill(before[name], signal.SIGKILL)
    wait_for(lambda: demo.processes().get(name, before[name]) != before[name], 40)
    with httpx.Client(base_url=demo.url, trust_env=False) as client:
        wait_for(lambda: client.get("/hub/login").status_code == 200, 60)


def test_a_second_one_in_the_same_home_is_refused(demo: Demo) -> None:
    words, env = command(demo.home, ports.suggest(demo.port))
    result = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 2
    assert "FL-K331" in result.stderr
    assert demo.process.poll() is None


def test_its_port_is_taken(demo: Demo, tmp_path: Path) -> None:
    said = _refused(tmp_path / "other", demo.port)
    assert "FL-K330" in said
    assert f"Port {demo.port}" in said
    assert "PORT=" in said


@pytest.mark.parametrize("offset", range(1, 5))
def test_a_port_behind_it_is_taken(tmp_path: Path, offset: int) -> None:
    port = ports.suggest(42000)
    with socket.create_server(("127.0.0.1", port + offset)):
        assert f"Port {port + offset}" in _refused(tmp_path / "home", port)


@pytest.mark.parametrize("port", ["abc", "80", "65531", "-1", "8000;ls", "8.0", "８０００", " "])
def test_a_port_that_is_none(tmp_path: Path, port: str) -> None:
    assert "FL-K002" in _refused(tmp_path / "home", port)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_it_refuses_any_address_but_loopback(tmp_path: Path, address: str) -> None:
    said = _refused(tmp_path / "home", ports.suggest(43000), FAELLESLAB_BIND=address)
    assert "FL-K003" in said
    assert not (tmp_path / "home").exists()


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words, env = command(tmp_path / "file" / "home", ports.suggest(44000))
    result = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 2
    assert "FL-K336" in result.stderr


def test_second_start_and_ctrl_c_with_a_server_at_work(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running(home) as first, first.log_in() as client:
        first.start_server(client)
        assert _servers(first)
        assert first.stop(signal.SIGINT) == 0
        assert left(home) == {}
    with running(home, first.port) as second:
        assert second.password == first.password
        # The figure is for two cores of one's own; a busy machine is given its share more.
        load = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        print(f"second start {second.started_s:.1f} s, load {load:.1f} per core")
        assert second.started_s <= SECOND_START_S * load
        assert second.stop(signal.SIGTERM) == 0
        assert left(home) == {}


def test_killed_itself_it_takes_all_with_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running(home) as demo, demo.log_in() as client:
        demo.start_server(client)
        demo.process.kill()
        demo.process.wait()
        wait_for(lambda: left(home) == {}, 30)


def _servers(demo: Demo) -> list[int]:
    return [
        pid
        for pid in process_tree.descendants(demo.process.pid)
        if any("jupyterhub-singleuser" in word for word in left(demo.home).get(pid, []))
    ]
