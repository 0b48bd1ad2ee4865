"""The command line: Danish, lazy, and with one place where errors become text."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from faelleslab.errors import AuditError
from faelleslab_hub import audit, cli, database
from faelleslab_hub.settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    for name in list(os.environ):
        if name.startswith("FAELLESLAB_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FAELLESLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAELLESLAB_PORT", str(five_free_ports()))
    return Settings.from_environment()


def five_free_ports() -> int:
    """Find a port of which the next four are free too."""
    while True:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                for offset in range(1, 5):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port + offset))
            except (OSError, OverflowError):
                continue
        if port <= 65530:
            return port


def run(*words: str) -> int:
    return cli.main(list(words))


@pytest.fixture
def filled(settings: Settings):
    assert run("database", "upgrade") == 0
    assert run("secrets", "create") == 0
    for _ in range(3):
        audit.record(settings, chain="0751", type="login.succeeded", actor="ida", personal={"address": "10.0.0.1"})
    yield settings
    database.engine(settings).dispose()


def test_help_is_danish_and_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run("--help")
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for word in (*cli.PROCESSES, *cli.COMMANDS, "brug:", "valgmuligheder", "kommandoer", "vis denne hjælp"):
        assert word in text
    for english in ("usage", "options", "show this", "positional"):
        assert english not in text


def test_no_command_shows_the_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    assert "brug: faelleslab-hub" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nix"], "'nix' kan ikke bruges som KOMMANDO"),
        (["database"], "Der mangler: OPGAVE"),
        (["database", "nix"], "'nix' kan ikke bruges som OPGAVE"),
        (["check-config", "--nix"], "Dette kendes ikke: --nix"),
        (["audit", "erase", "x"], "Der mangler: --rule"),
        (["audit", "verify", "--chain"], "--chain skal følges af en værdi"),
        (["audit", "verify", "--chain", "0751", "--file", "x"], "kan ikke bruges sammen med"),
        (["audit", "verify", "--cha", "0751"], "Dette kendes ikke: --cha 0751"),
    ],
)
def test_wrong_commands_are_told_in_danish(capsys: pytest.CaptureFixture[str], words: list[str], text: str) -> None:
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert text in error
    assert "(FL-K207)" in error
    assert error.count("\n") == 1


def test_the_help_loads_no_room() -> None:
    code = (
        "import sys; from faelleslab_hub import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('sqlalchemy','jupyterhub','fastapi','docker','alembic')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_room_keeps_its_word(capsys: pytest.CaptureFixture[str]) -> None:
    for word in cli.COMMANDS:
        with pytest.raises(SystemExit) as ended:
            run(word, "--help")
        assert ended.value.code == 0
        assert f"faelleslab-hub {word}" in capsys.readouterr().out


def test_check_config_names_the_municipalities(capsys: pytest.CaptureFixture[str], monkeypatch, tmp_path) -> None:
    assert run("check-config") == 0
    text = capsys.readouterr().out
    assert "0751  Aarhus Kommune" in text
    assert "0461  Odense Kommune" in text
    monkeypatch.setenv("FAELLESLAB_CONFIG", str(tmp_path / "none"))
    assert run("check-config") == 2
    assert "FL-K01" in capsys.readouterr().err


def test_an_unexpected_fault_is_one_sentence_and_a_log(capsys, monkeypatch, settings) -> None:
    def fail(*_: object) -> None:
        message = "inderste"
        raise RuntimeError(message)

    monkeypatch.setattr(cli, "_run", fail)
    assert run("check-config") == 70
    error = capsys.readouterr().err
    assert "FL-K999" in error
    assert "Traceback" not in error
    assert "inderste" not in error
    log = settings.logs / "error.log"
    assert str(log) in error
    assert "inderste" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_an_unexpected_fault_without_a_place_for_the_log(capsys, monkeypatch, tmp_path) -> None:
    (tmp_path / "home").write_text("not a folder")
    monkeypatch.setattr(cli, "_run", lambda _: 1 / 0)
    assert run("check-config") == 70
    assert "kunne ikke gemmes" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "code"), [(AuditError("FL-A001", "x."), 4), (KeyboardInterrupt(), 130)])
def test_exit_codes_of_the_family(capsys, monkeypatch, error: BaseException, code: int) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "_run", fail)
    assert run("check-config") == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_reader_that_has_had_enough_is_no_fault(filled: Settings) -> None:
    environment = {**os.environ, **filled.environment()}
    command = f"{sys.executable} -m faelleslab_hub.cli audit export 0751 | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_audit_commands(filled: Settings, capsys, tmp_path) -> None:
    assert run("audit", "verify") == 0
    assert "ingen kontrolpunkter" in capsys.readouterr().out
    assert run("audit", "checkpoint") == 0
    assert "hændelse 3 er underskrevet" in capsys.readouterr().out
    assert run("audit", "person", "ida") == 0
    assert capsys.readouterr().out.count("10.0.0.1") == 3
    assert run("audit", "erase", "ida", "--rule", "opbevaring 5 år") == 0
    assert "3 hændelser er slettet" in capsys.readouterr().out
    assert run("audit", "verify") == 0
    assert "heraf 3 med lovligt slettet personlig del: revisionssporet er helt" in capsys.readouterr().out
    assert run("audit", "export", "0751") == 0
    export = tmp_path / "export.jsonl"
    export.write_text(capsys.readouterr().out, encoding="utf-8")
    key = str(filled.checkpoints / "public-key.pem")
    assert run("audit", "verify", "--file", str(export), "--public-key", key) == 0
    export.write_text(
        export.read_text(encoding="utf-8").replace("login.succeeded", "login.refused", 1), encoding="utf-8"
    )
    assert run("audit", "verify", "--file", str(export), "--public-key", key) == 4
    assert "Hændelse 1 er ændret" in capsys.readouterr().out


def test_a_broken_chain_ends_with_4_and_says_which(filled: Settings, capsys) -> None:
    import sqlite3
    from contextlib import closing

    assert run("audit", "checkpoint") == 0
    with closing(sqlite3.connect(filled.home / "faelleslab.sqlite")) as raw:
        raw.execute("UPDATE audit_event SET subject = 'x' WHERE seq = 2")
        raw.commit()
    assert run("audit", "verify", "--chain", "0751") == 4
    text = capsys.readouterr().out
    assert "ændret: 0751: Hændelse 2 er ændret" in text
    assert "IKKE HELT (FL-A001)" in text
    assert run("audit", "checkpoint") == 0
    audit.record(filled, chain="0751", type="a.b")
    assert run("audit", "checkpoint") == 0
    # The alteration lies before the last checkpoint, so the tail still extends it; verify goes on telling it.
    assert run("audit", "verify") == 4


def test_an_unknown_chain_is_an_error_and_not_whole(filled: Settings, capsys) -> None:
    assert run("audit", "verify", "--chain", "0999") == 4
    assert "FL-A007" in capsys.readouterr().err


# --- the broker's process ---


def start(settings: Settings, name: str) -> subprocess.Popen:
    environment = {**os.environ, **settings.environment()}
    return subprocess.Popen(
        [sys.executable, "-m", "faelleslab_hub.cli", name], env=environment, stderr=subprocess.PIPE, text=True
    )


def wait_for_listening(process: subprocess.Popen) -> None:
    for line in process.stderr:
        if "startup complete" in line:
            return
    pytest.fail(f"ended with {process.wait()}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_broker_signs_a_last_time_and_ends_with_0(filled: Settings, number: int) -> None:
    process = start(filled, "broker")
    try:
        wait_for_listening(process)
        with urllib.request.urlopen(f"http://127.0.0.1:{filled.broker_port}/health") as answer:
            assert answer.read() == b'{"status":"ok","signing":true}'
        audit.record(filled, chain="0461", type="logout", actor="x")
        process.send_signal(number)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.stderr.close()
        process.wait()
    assert (filled.checkpoints / "0461.jsonl").read_text().count("\n") == 1
    assert run("audit", "verify") == 0


def test_the_web_process_answers_and_ends_with_0(filled: Settings) -> None:
    process = start(filled, "web")
    try:
        wait_for_listening(process)
        with urllib.request.urlopen(f"http://127.0.0.1:{filled.web_port}/health") as answer:
            assert answer.read() == b'{"status":"ok"}'
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.stderr.close()
        process.wait()


@pytest.mark.parametrize("name", ["broker", "web"])
def test_a_missing_secret_or_a_taken_port_is_one_sentence(settings: Settings, name: str) -> None:
    process = start(settings, name)
    error = process.communicate(timeout=30)[1]
    assert (process.returncode, error.count("\n")) == (2, 1)
    assert "FL-K301" in error
    run("secrets", "create")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", settings.ports[name]))
        taken.listen()
        process = start(settings, name)
        error = process.communicate(timeout=30)[1]
    assert process.returncode == 2
    assert "FL-K213" in error.splitlines()[-1]
