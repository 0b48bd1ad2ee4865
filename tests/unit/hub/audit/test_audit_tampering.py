# ruff: noqa: S608 (the tests themselves write SQL behind the chain's back)
"""Any single tampering of a valid chain is found and located; without tampering nothing is found."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from tests.unit.hub.audit.audit_house import N_EVENTS, House

from faelleslab_hub.audit import canonical, checkpoint
from faelleslab_hub.audit.findings import Kind

pytestmark = pytest.mark.slow

# The database is renewed by the test itself, at each example.
many = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Fresh = Callable[[], House]
seqs = st.integers(1, N_EVENTS)
FIELDS = ("time", "type", "actor", "subject", "details", "personal_hash", "prev_hash", "hash")
_EVENT = "chain, seq, time, type, actor, subject, details, personal_hash, prev_hash"


def located(house: House, seq: int, *kinds: Kind, chain: str = "0751") -> None:
    findings = house.findings()
    assert findings, "not found"
    assert {finding.chain for finding in findings} == {chain}, findings
    assert any(finding.first <= seq <= finding.last for finding in findings), findings
    assert not kinds or any(finding.kind in kinds for finding in findings), findings


def rehash(house: House, seq: int, prev: str | None = None) -> str:
    """Give an event the right hash for what it now says, by the right algorithm."""
    if prev is not None:
        house.sql("UPDATE audit_event SET prev_hash = ? WHERE chain = '0751' AND seq = ?", prev, seq)
    row = house.rows(f"SELECT {_EVENT} FROM audit_event WHERE chain = '0751' AND seq = ?", seq)[0]
    digest = canonical.event_hash(*row)
    house.sql("UPDATE audit_event SET hash = ? WHERE chain = '0751' AND seq = ?", digest, seq)
    return digest


def recompute_from(house: House, seq: int) -> None:
    """Make the whole chain consistent again from an event on, head included."""
    last = house.rows("SELECT max(seq) FROM audit_event WHERE chain = '0751'")[0][0]
    digest = rehash(house, seq)
    for following in range(seq + 1, last + 1):
        digest = rehash(house, following, digest)
    house.sql("UPDATE audit_chain SET seq = ?, hash = ? WHERE chain = '0751'", last, digest)


def test_untouched_chain_is_whole_and_tells_the_erasure(fresh: Fresh) -> None:
    verdict = fresh().verdicts()["0751"]
    assert verdict.whole
    assert (verdict.n_events, verdict.n_erased, verdict.n_checkpoints, verdict.signed_seq) == (12, 2, 3, 12)
    assert "heraf 2 med lovligt slettet personlig del" in verdict.sentence()


@many
@given(seq=seqs, field=st.sampled_from(FIELDS), value=st.text(st.characters(exclude_characters="\x00"), max_size=70))
@example(seq=9, field="details", value='{"rule":"x","seqs":[[1,8]]}')
@example(seq=9, field="type", value="run.ended")
@example(seq=1, field="details", value='{"n":1,"n":1,"tekst":"æøå \\"\\\\ \\t"}')
@example(seq=12, field="hash", value="0" * 64)
def test_an_edited_field(fresh: Fresh, seq: int, field: str, value: str) -> None:
    house = fresh()
    changed = house.sql(
        f"UPDATE audit_event SET {field} = ? WHERE chain = '0751' AND seq = ? AND {field} IS NOT ?", value, seq, value
    )
    assume(changed)
    located(house, seq, Kind.ALTERED)


@many
@given(
    seq=seqs, field=st.sampled_from(("time", "type", "actor", "subject", "prev_hash")), value=st.text("abc", max_size=5)
)
def test_an_edited_field_with_its_own_hash_recomputed(fresh: Fresh, seq: int, field: str, value: str) -> None:
    house = fresh()
    house.sql(f"UPDATE audit_event SET {field} = ? WHERE chain = '0751' AND seq = ?", value, seq)
    digest = rehash(house, seq)
    if seq == N_EVENTS:
        house.sql("UPDATE audit_chain SET hash = ? WHERE chain = '0751'", digest)
    located(house, seq, Kind.ALTERED, Kind.RECOMPUTED)


@many
@given(seq=st.integers(1, N_EVENTS - 1), recomputed=st.booleans())
def test_a_removed_event(fresh: Fresh, seq: int, *, recomputed: bool) -> None:
    house = fresh()
    house.sql("DELETE FROM audit_event WHERE chain = '0751' AND seq = ?", seq)
    house.sql("DELETE FROM audit_personal WHERE chain = '0751' AND seq = ?", seq)
    if recomputed:
        for table in ("audit_event", "audit_personal"):
            for later in range(seq + 1, N_EVENTS + 1):
                house.sql(f"UPDATE {table} SET seq = seq - 1 WHERE chain = '0751' AND seq = ?", later)
        before = house.rows("SELECT hash FROM audit_event WHERE chain = '0751' AND seq = ?", seq - 1)
        rehash(house, seq, before[0][0] if before else canonical.GENESIS)
        recompute_from(house, seq)
        # Whatever was after the last checkpoint before it may have been touched.
        assert any(f.kind in (Kind.RECOMPUTED, Kind.CUT_OFF) for f in house.findings())
    else:
        located(house, seq, Kind.REMOVED)


@many
@given(one=seqs, other=seqs, personal=st.booleans())
def test_two_swapped_events(fresh: Fresh, one: int, other: int, *, personal: bool) -> None:
    assume(one != other)
    house = fresh()
    for table in ("audit_event", "audit_personal") if personal else ("audit_event",):
        for old, new in ((one, 999), (other, one), (999, other)):
            house.sql(f"UPDATE {table} SET seq = ? WHERE chain = '0751' AND seq = ?", new, old)
    located(house, one, Kind.REORDERED)
    located(house, other, Kind.REORDERED)
    # An erasure moved to before the events it speaks of no longer excuses them.
    more = {Kind.PERSONAL_REMOVED} if 9 in (one, other) else set()
    assert {f.kind for f in house.findings()} - more == {Kind.REORDERED}


@many
@given(seq=seqs, head=st.booleans())
def test_a_cut_tail(fresh: Fresh, seq: int, *, head: bool) -> None:
    house = fresh()
    house.sql("DELETE FROM audit_personal WHERE chain = '0751' AND seq >= ?", seq)
    house.sql("DELETE FROM audit_event WHERE chain = '0751' AND seq >= ?", seq)
    if head:
        last = house.rows("SELECT hash FROM audit_event WHERE chain = '0751' AND seq = ?", seq - 1)
        digest = last[0][0] if last else canonical.GENESIS
        house.sql("UPDATE audit_chain SET seq = ?, hash = ? WHERE chain = '0751'", seq - 1, digest)
    located(house, seq, Kind.CUT_OFF)
    located(house, N_EVENTS, Kind.CUT_OFF)


@many
@given(seq=seqs, field=st.sampled_from(("time", "type", "subject", "details")))
def test_everything_recomputed_from_an_event(fresh: Fresh, seq: int, field: str) -> None:
    house = fresh()
    house.sql(f"UPDATE audit_event SET {field} = '\"x\"' WHERE chain = '0751' AND seq = ?", seq)
    recompute_from(house, seq)
    located(house, seq, Kind.RECOMPUTED)
    finding = next(f for f in house.findings() if f.kind is Kind.RECOMPUTED)
    assert finding.last - finding.first < 4, "located between two checkpoints"


@many
@given(seq=seqs, column=st.sampled_from(("salt", "content")), value=st.text("0123456789abcdef", max_size=33))
def test_an_edited_personal_part(fresh: Fresh, seq: int, column: str, value: str) -> None:
    house = fresh()
    condition = f"chain = '0751' AND seq = ? AND {column} IS NOT ?"
    assume(house.sql(f"UPDATE audit_personal SET {column} = ? WHERE {condition}", value, seq, value))
    located(house, seq, Kind.PERSONAL_ALTERED)


@many
@given(seq=seqs)
def test_a_removed_personal_part(fresh: Fresh, seq: int) -> None:
    house = fresh()
    assume(house.sql("DELETE FROM audit_personal WHERE chain = '0751' AND seq = ?", seq))
    located(house, seq, Kind.PERSONAL_REMOVED)


@many
@given(seq=seqs)
def test_an_added_personal_part(fresh: Fresh, seq: int) -> None:
    house = fresh()
    present = house.rows("SELECT 1 FROM audit_personal WHERE chain = '0751' AND seq = ?", seq)
    assume(not present)
    house.sql("INSERT INTO audit_personal VALUES ('0751', ?, ?, '{}')", seq, "00" * 16)
    located(house, seq, Kind.PERSONAL_ALTERED)


def test_a_personal_part_that_came_back_from_a_backup(fresh: Fresh, full_house: House) -> None:
    house = fresh()
    salt, content = "00" * 16, '{"account":"borte"}'
    # What an old backup would hold: the very salt and text the event was written with.
    house.sql("INSERT INTO audit_personal VALUES ('0751', 2, ?, ?)", salt, content)
    house.sql(
        "UPDATE audit_event SET personal_hash = ? WHERE chain = '0751' AND seq = 2",
        canonical.personal_hash(salt, content),
    )
    recompute_from(house, 2)
    located(house, 2, Kind.PERSONAL_RETURNED)


@many
@given(seq=seqs, to=st.integers(-5, 40))
def test_a_renumbered_event(fresh: Fresh, seq: int, to: int) -> None:
    assume(not 1 <= to <= N_EVENTS)
    house = fresh()
    house.sql("UPDATE audit_event SET seq = ? WHERE chain = '0751' AND seq = ?", to, seq)
    located(house, seq)


@many
@given(seq=seqs)
def test_an_event_moved_to_another_chain(fresh: Fresh, seq: int) -> None:
    house = fresh()
    house.sql("UPDATE audit_event SET chain = '0461', seq = 99 WHERE chain = '0751' AND seq = ?", seq)
    found = {(f.chain, f.kind) for f in house.findings()}
    assert ("0751", Kind.CUT_OFF if seq == N_EVENTS else Kind.REMOVED) in found
    assert ("0461", Kind.ALTERED) in found


@many
@given(field=st.sampled_from(("seq", "hash", "checkpoint_number")), value=st.integers(0, 40))
def test_an_edited_head(fresh: Fresh, field: str, value: int) -> None:
    house = fresh()
    assume(
        house.sql(f"UPDATE audit_chain SET {field} = ? WHERE chain = '0751' AND {field} IS NOT ?", value, value)
        # One checkpoint more than noted is what a power cut leaves.
        and not (field == "checkpoint_number" and value == 2)
    )
    assert [f.chain for f in house.findings()] == ["0751"]


def test_a_removed_head_and_a_removed_chain(fresh: Fresh) -> None:
    house = fresh()
    house.sql("DELETE FROM audit_chain WHERE chain = '0751'")
    located(house, N_EVENTS, Kind.HEAD)
    house.sql("DELETE FROM audit_event WHERE chain = '0751'")
    located(house, 1, Kind.CUT_OFF)


def test_an_event_slipped_in_behind_the_head(fresh: Fresh) -> None:
    house = fresh()
    columns = "time, type, actor, subject, details, NULL, hash, ''"
    house.sql(f"INSERT INTO audit_event SELECT chain, 13, {columns} FROM audit_event WHERE chain = '0751' AND seq = 12")
    rehash(house, 13)
    located(house, 13, Kind.INSERTED)


@many
@given(number=st.integers(0, 2), position=st.integers(0, 10_000), letter=st.sampled_from("0123456789abcdefx{ \\"))
def test_an_edited_checkpoint(fresh: Fresh, number: int, position: int, letter: str) -> None:
    house = fresh()
    path = house.checkpoint_file("0751")
    lines = path.read_text().splitlines()
    old = lines[number]
    position %= len(old)
    lines[number] = old[:position] + letter + old[position + 1 :]
    assume(lines[number] != old)
    path.write_text("\n".join(lines) + "\n")
    located(house, number + 1, Kind.CHECKPOINT_FORGED)


@many
@given(numbers=st.sets(st.integers(0, 2), min_size=1))
def test_removed_checkpoints(fresh: Fresh, numbers: set[int]) -> None:
    house = fresh()
    path = house.checkpoint_file("0751")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for n, line in enumerate(lines) if n not in numbers))
    for number in numbers:
        located(house, number + 1, Kind.CHECKPOINT_REMOVED)


@many
@given(order=st.permutations(range(3)))
def test_reordered_checkpoints(fresh: Fresh, order: list[int]) -> None:
    assume(order != [0, 1, 2])
    house = fresh()
    path = house.checkpoint_file("0751")
    lines = path.read_text().splitlines()
    path.write_text("".join(lines[n] + "\n" for n in order))
    assert house.findings()


def test_a_missing_checkpoint_file_and_a_torn_last_line(fresh: Fresh) -> None:
    house = fresh()
    path = house.checkpoint_file("0751")
    text = path.read_text()
    path.write_text(text[:-10])
    located(house, 3, Kind.CHECKPOINT_REMOVED)
    path.unlink()
    located(house, 1, Kind.CHECKPOINT_REMOVED)


def test_checkpoints_signed_by_another_key(fresh: Fresh) -> None:
    house = fresh()
    recompute_from(house, 5)
    house.sql("UPDATE audit_event SET subject = 'x' WHERE chain = '0751' AND seq = 5")
    recompute_from(house, 5)
    path, thief, prev = house.checkpoint_file("0751"), Ed25519PrivateKey.generate(), None
    forged = []
    for line in path.read_text().splitlines():
        old = checkpoint.parse(line)
        digest = house.rows("SELECT hash FROM audit_event WHERE chain = '0751' AND seq = ?", old.seq)[0][0]
        prev = replace(old, hash=digest, prev=prev.digest if prev else old.prev).sign(thief)
        forged.append(prev.line + "\n")
    path.write_text("".join(forged))
    located(house, 3, Kind.CHECKPOINT_FORGED)


def test_checkpoints_of_another_chain(fresh: Fresh) -> None:
    house = fresh()
    house.checkpoint_file("0751").write_bytes(house.checkpoint_file("0461").read_bytes())
    located(house, 1, Kind.CHECKPOINT_FORGED)


def test_two_tamperings_far_apart_are_both_told(fresh: Fresh) -> None:
    house = fresh()
    house.sql("UPDATE audit_event SET subject = 'x' WHERE chain = '0751' AND seq IN (2, 10)")
    assert [(f.kind, f.first, f.last) for f in house.findings()] == [(Kind.ALTERED, 2, 2), (Kind.ALTERED, 10, 10)]


def test_a_wholly_spoilt_chain_gives_a_short_verdict(house: House) -> None:
    from faelleslab_hub import audit, database

    with database.session(house.settings) as session:
        for number in range(600):
            audit.append(session, chain="0751", type="a.b", details={"n": number})
    house.sql("UPDATE audit_event SET subject = 'x' WHERE seq % 2 = 0")
    verdict = house.verdicts()["0751"]
    assert verdict.n_findings == 300
    assert len(verdict.findings) <= 100
    assert json.dumps([str(f) for f in verdict.findings], ensure_ascii=False).count("ændret") == len(verdict.findings)
