"""Checkpoints: signed only when the chain extends the last one, and on disk before the database knows."""

import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from faelleslab.errors import AuditError, ConfigurationError
from faelleslab_hub import audit
from faelleslab_hub.audit import checkpoint
from faelleslab_hub.audit.findings import Kind
from faelleslab_hub.audit.signer import Signer


def record(house, chain="0751", **other) -> int:
    return audit.record(house.settings, **{"chain": chain, "type": "a.b", "actor": "x", **other}).seq


def test_signs_what_moved_and_nothing_else(house) -> None:
    record(house)
    record(house, "0461")
    signer = house.sign()
    assert signer.sign_moved() == []
    record(house)
    assert [(c.chain, c.number, c.seq) for c in signer.sign_moved()] == [("0751", 2, 2)]
    assert house.rows("SELECT checkpoint_number FROM audit_chain WHERE chain = '0751'") == [(2,)]
    assert house.findings() == []


def test_goes_on_after_a_restart_and_after_a_power_cut_between_file_and_database(house) -> None:
    record(house)
    house.sign()
    house.sql("UPDATE audit_chain SET checkpoint_number = 0")
    assert house.findings() == []
    record(house)
    house.sign()
    assert house.rows("SELECT checkpoint_number FROM audit_chain") == [(2,)]
    assert house.findings() == []


def test_a_torn_last_line_is_written_anew(house) -> None:
    record(house)
    house.sign()
    with house.checkpoint_file("0751").open("a") as file:
        file.write('{"chain":"07')
    record(house)
    house.sign()
    assert len(house.checkpoint_file("0751").read_text().splitlines()) == 2
    assert house.findings() == []


@pytest.mark.parametrize(
    ("tampering", "kind"),
    [
        ("UPDATE audit_event SET subject = 'x' WHERE seq = 3", Kind.ALTERED),
        ("UPDATE audit_event SET hash = prev_hash WHERE seq = 2", Kind.ALTERED),
        ("DELETE FROM audit_event WHERE seq = 3", Kind.REMOVED),
        ("DELETE FROM audit_event WHERE seq = 4", Kind.CUT_OFF),
        ("UPDATE audit_chain SET checkpoint_number = 2 WHERE chain = '0751'", Kind.CHECKPOINT_REMOVED),
    ],
)
def test_does_not_vouch_for_a_tail_that_does_not_hold(house, tampering: str, kind: Kind) -> None:
    record(house)
    record(house)
    house.sign()
    record(house)
    record(house)
    house.sql(tampering)
    signer = house.sign()
    assert signer.stopped["0751"].kind is kind
    assert len(house.checkpoint_file("0751").read_text().splitlines()) == 1
    assert house.rows("SELECT type FROM audit_event WHERE chain = 'drift'") == [("checkpoint.refused",)]
    # The stop is told once, and the other chains are signed as before.
    record(house, "0461")
    assert {c.chain for c in signer.sign_moved()} == {"0461", "drift"}


def test_does_not_vouch_for_a_recomputed_head(house) -> None:
    from tests.unit.hub.audit.test_audit_tampering import recompute_from

    for _ in range(3):
        record(house)
    house.sign()
    house.sql("UPDATE audit_event SET subject = 'x' WHERE seq = 3")
    recompute_from(house, 3)
    record(house)
    assert house.sign().stopped["0751"].kind is Kind.RECOMPUTED


def test_refuses_a_forged_last_checkpoint(house) -> None:
    record(house)
    house.sign()
    path = house.checkpoint_file("0751")
    path.write_text(checkpoint.parse(path.read_text().strip()).sign(Ed25519PrivateKey.generate()).line + "\n")
    record(house)
    assert house.sign().stopped["0751"].kind is Kind.CHECKPOINT_FORGED


def test_refuses_a_published_key_of_someone_else(house) -> None:
    with pytest.raises(ConfigurationError, match="FL-K212"):
        Signer(house.settings, Ed25519PrivateKey.generate())


@pytest.mark.parametrize("text", ["", "x", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n"])
def test_keys_that_are_none(house, text: str, tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="FL-K211"):
        checkpoint.private_key(text)
    (tmp_path / "key").write_text(text)
    with pytest.raises(ConfigurationError, match="FL-K210"):
        checkpoint.public_key(tmp_path / "key")
    with pytest.raises(ConfigurationError, match="FL-K210"):
        checkpoint.public_key(tmp_path / "none")


def test_does_not_follow_a_link_in_place_of_the_file(house, tmp_path) -> None:
    record(house)
    house.checkpoint_file("0751").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditError, match="FL-A004"):
        house.sign()
    assert not (tmp_path / "elsewhere").exists()


def test_two_signers_at_once_make_one_row_of_checkpoints(house) -> None:
    def sign() -> None:
        signer = Signer(house.settings, house.key)
        for _ in range(5):
            record(house)
            signer.sign_moved()

    threads = [threading.Thread(target=sign) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    house.sign()
    assert house.findings() == []


def test_verifying_while_events_and_checkpoints_arrive_gives_no_false_alarm(house) -> None:
    done = threading.Event()

    def work() -> None:
        signer = Signer(house.settings, house.key)
        for _ in range(40):
            record(house)
            signer.sign_moved()
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        assert house.findings() == []
    thread.join()
