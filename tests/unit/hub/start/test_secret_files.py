"""Secrets are made once, whole, for their reader alone, and never used when others may read them."""

import os
import stat
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from faelleslab.errors import ConfigurationError
from faelleslab_hub import cli, secret_files
from faelleslab_hub.settings import Settings

ALL = {f"{reader}/{name}" for name, (readers, _) in secret_files.SECRETS.items() for reader in readers}


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_all_are_made_closed_and_only_once(settings: Settings) -> None:
    old = os.umask(0)
    try:
        assert set(secret_files.create_missing(settings)) == ALL
    finally:
        os.umask(old)
    files = {p: p.read_bytes() for p in settings.secrets.rglob("*") if p.is_file()}
    assert len(files) == len(ALL)
    assert {_mode(p) for p in files} == {0o600}
    assert {_mode(p) for p in [settings.secrets, *(p.parent for p in files)]} == {0o700}
    assert secret_files.create_missing(settings) == []
    assert {p: p.read_bytes() for p in settings.secrets.rglob("*") if p.is_file()} == files


def test_shared_secrets_are_the_same_and_others_differ(settings: Settings) -> None:
    secret_files.create_missing(settings)
    for name in ("proxy-token", "web-client-secret"):
        readers = secret_files.SECRETS[name][0]
        assert len({secret_files.read(settings, reader, name) for reader in readers}) == 1
    values = [secret_files.read(settings, readers[0], name) for name, (readers, _) in secret_files.SECRETS.items()]
    assert len(set(values)) == len(values)
    assert len(bytes.fromhex(secret_files.read(settings, "hub", "cookie-secret"))) == 32


def test_the_public_key_belongs_to_the_private_one_and_is_open(settings: Settings) -> None:
    secret_files.create_missing(settings)
    private = load_pem_private_key(secret_files.read(settings, "broker", "checkpoint-key").encode(), None)
    path = secret_files.public_key_path(settings)
    assert load_pem_public_key(path.read_bytes()).public_bytes_raw() == private.public_key().public_bytes_raw()  # type: ignore[union-attr]
    assert _mode(path) == 0o644
    before = path.read_bytes()
    path.unlink()
    assert secret_files.create_missing(settings) == []
    assert path.read_bytes() == before


def test_a_lost_signing_key_is_never_replaced_silently(settings: Settings) -> None:
    secret_files.create_missing(settings)
    (settings.secrets / "broker" / "checkpoint-key").unlink()
    with pytest.raises(ConfigurationError) as error:
        secret_files.create_missing(settings)
    assert error.value.code == "FL-K304"
    assert not (settings.secrets / "broker" / "checkpoint-key").exists()


@pytest.mark.parametrize("name", sorted(ALL - {"broker/checkpoint-key"}))
def test_one_that_is_gone_is_made_again_and_the_rest_stays(settings: Settings, name: str) -> None:
    secret_files.create_missing(settings)
    (settings.secrets / name).unlink()
    assert secret_files.missing(settings) == [name]
    rest = {p: p.read_bytes() for p in settings.secrets.rglob("*") if p.is_file()}
    assert secret_files.create_missing(settings) == [name]
    assert all(p.read_bytes() == content for p, content in rest.items())
    for shared in ("proxy-token", "web-client-secret"):
        assert len({secret_files.read(settings, r, shared) for r in secret_files.SECRETS[shared][0]}) == 1


def test_a_missing_one_names_the_command(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="faelleslab-hub secrets create") as error:
        secret_files.read(settings, "hub", "cookie-secret")
    assert error.value.code == "FL-K301"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o610, 0o620])
def test_a_file_others_may_touch_is_refused_without_its_value(settings: Settings, mode: int) -> None:
    secret_files.create_missing(settings)
    path = settings.secrets / "hub" / "proxy-token"
    value = path.read_text().strip()
    path.chmod(mode)
    with pytest.raises(ConfigurationError) as error:
        secret_files.read(settings, "hub", "proxy-token")
    assert error.value.code == "FL-K302"
    assert value not in str(error.value)
    with pytest.raises(ConfigurationError):
        secret_files.create_missing(settings)


def test_an_open_folder_is_refused(settings: Settings) -> None:
    secret_files.create_missing(settings)
    (settings.secrets / "hub").chmod(0o755)
    with pytest.raises(ConfigurationError) as error:
        secret_files.read(settings, "hub", "proxy-token")
    assert error.value.code == "FL-K302"


@pytest.mark.parametrize("kind", ["empty", "spaces", "binary", "folder", "link", "pipe"])
def test_what_is_no_secret_is_refused(settings: Settings, kind: str, tmp_path: Path) -> None:
    secret_files.create_missing(settings)
    path = settings.secrets / "hub" / "culler-token"
    path.unlink()
    if kind == "folder":
        path.mkdir(mode=0o700)
    elif kind == "pipe":
        os.mkfifo(path, 0o600)
    elif kind == "link":
        (tmp_path / "elsewhere").write_text("x")
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.write_bytes({"empty": b"", "spaces": b" \n\n", "binary": b"\xff\xfe"}[kind])
        path.chmod(0o600)
    with pytest.raises(ConfigurationError) as error:
        secret_files.read(settings, "hub", "culler-token")
    assert error.value.code in {"FL-K303", "FL-K302"}


def test_only_its_readers_may_ask(settings: Settings) -> None:
    secret_files.create_missing(settings)
    for reader, name in [
        ("web", "cookie-secret"),
        ("hub", "checkpoint-key"),
        ("../hub", "cookie-secret"),
        ("hub", "x"),
    ]:
        with pytest.raises(ValueError, match="has no secret"):
            secret_files.read(settings, reader, name)


def test_many_creators_agree(settings: Settings) -> None:
    made: list[list[str]] = []
    threads = [threading.Thread(target=lambda: made.append(secret_files.create_missing(settings))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for names in made for name in names) == sorted(ALL)
    assert secret_files.read(settings, "hub", "proxy-token") == secret_files.read(settings, "proxy", "proxy-token")


@given(lost=st.sets(st.sampled_from(sorted(ALL - {"broker/checkpoint-key"}))))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
def test_whatever_is_lost_comes_back_and_nothing_else_changes(settings: Settings, lost: set[str]) -> None:
    secret_files.create_missing(settings)
    kept = {name: (settings.secrets / name).read_bytes() for name in ALL - lost}
    for name in lost:
        (settings.secrets / name).unlink()
    assert set(secret_files.create_missing(settings)) == lost
    assert {name: (settings.secrets / name).read_bytes() for name in kept} == kept
    assert list(settings.secrets.rglob(".*")) == [], "a temporary file was left"


def test_the_commands_show_names_and_never_values(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["secrets", "list"]) == 0
    assert capsys.readouterr().out.count("mangler") == len(ALL)
    assert cli.main(["secrets", "create"]) == 0
    assert cli.main(["secrets", "create"]) == 0
    assert cli.main(["secrets", "list"]) == 0
    shown = capsys.readouterr().out
    assert "intet er ændret" in shown
    for name in ALL:
        assert (settings.secrets / name).read_text().splitlines()[0] not in shown
