"""A person can be shown all that is recorded of her, and be forgotten, without breaking the chain."""

import pytest

from faelleslab.errors import ConfigurationError, FaelleslabError
from faelleslab_hub import audit, database
from faelleslab_hub.audit import person


def events(house, name: str) -> list[dict]:
    with database.session(house.settings, read_only=True) as session:
        return list(person.events_of(session, name))


def test_shows_acts_and_mentions_and_nobody_elses(house) -> None:
    audit.record(house.settings, chain="0751", type="login.succeeded", actor="ida", personal={"address": "10.0.0.1"})
    audit.record(house.settings, chain="drift", type="login.refused", personal={"name": "ida"})
    audit.record(house.settings, chain="0751", type="x.y", actor="bo", personal={"for": {"names": ["ida"]}})
    audit.record(house.settings, chain="0751", type="login.succeeded", actor="ida-2", personal={"text": "kender ida"})
    audit.record(house.settings, chain="0751", type="login.succeeded", actor="%", personal={"text": '"ida"'})
    assert [(e["chain"], e["seq"]) for e in events(house, "ida")] == [("0751", 1), ("0751", 2), ("drift", 1)]
    assert events(house, "%")[0]["seq"] == 4
    assert events(house, "_da") == events(house, "") == []


def test_forgets_and_the_chain_stays_whole_and_says_so(house) -> None:
    for number in range(6):
        audit.record(house.settings, chain="0751", type="a.b", actor="ida" if number % 2 else "bo")
    audit.record(house.settings, chain="drift", type="login.refused", personal={"name": "ida"})
    house.sign()
    opaque = events(house, "ida")[0]["actor"]
    assert person.erase(house.settings, "ida", "opbevaring 5 år") == {"0751": 3, "drift": 1}
    assert events(house, "ida") == []
    assert len(events(house, "bo")) == 3
    verdicts = house.verdicts()
    assert all(verdict.whole for verdict in verdicts.values())
    assert (verdicts["0751"].n_erased, verdicts["drift"].n_erased) == (3, 1)
    assert opaque not in [row[0] for row in house.rows("SELECT alias FROM account_alias")]
    told = house.rows("SELECT subject, details FROM audit_event WHERE type = 'personal.erased' ORDER BY chain")
    assert told == [
        (opaque, '{"rule":"opbevaring 5 år","seqs":[[2,2],[4,4],[6,6]]}'),
        (opaque, '{"rule":"opbevaring 5 år","seqs":[[1,1]]}'),
    ]


def test_no_byte_of_the_name_is_left_in_the_database_files(house) -> None:
    audit.record(house.settings, chain="0751", type="a.b", actor="hemmeligperson", personal={"address": "10.99.98.97"})
    person.erase(house.settings, "hemmeligperson", "opbevaring 5 år")
    for file in house.settings.home.glob("faelleslab.sqlite*"):
        content = file.read_bytes()
        assert b"hemmeligperson" not in content, file.name
        assert b"10.99.98.97" not in content, file.name


def test_someone_who_returns_gets_a_new_opaque_id(house) -> None:
    before = audit.record(house.settings, chain="0751", type="a.b", actor="ida").actor
    person.erase(house.settings, "ida", "opbevaring 5 år")
    assert audit.record(house.settings, chain="0751", type="a.b", actor="ida").actor != before
    person.erase(house.settings, "ida", "opbevaring 5 år")
    assert house.verdicts()["0751"].n_erased == 2


def test_many_scattered_events_are_forgotten_in_small_events(house) -> None:
    with database.session(house.settings) as session:
        for number in range(501):
            audit.append(session, chain="0751", type="a.b", actor="ida" if number % 2 == 0 else "bo")
    assert person.erase(house.settings, "ida", "opbevaring 5 år") == {"0751": 251}
    verdict = house.verdicts()["0751"]
    assert (verdict.whole, verdict.n_erased, verdict.n_events) == (True, 251, 501 + 3)


@pytest.mark.parametrize("rule", ["", "x", " ab", "slet Ida nu", "a\nb c", "x" * 101])
def test_refuses_a_rule_that_says_nothing_or_names_her(house, rule: str) -> None:
    audit.record(house.settings, chain="0751", type="a.b", actor="ida")
    with pytest.raises(ConfigurationError, match="FL-A005"):
        person.erase(house.settings, "ida", rule)
    assert len(events(house, "ida")) == 1


def test_unknown_person_changes_nothing(house) -> None:
    audit.record(house.settings, chain="0751", type="a.b", actor="ida")
    with pytest.raises(FaelleslabError, match="FL-A006"):
        person.erase(house.settings, "bo", "opbevaring 5 år")
    assert house.rows("SELECT count(*) FROM audit_event") == [(1,)]
