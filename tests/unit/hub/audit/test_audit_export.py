"""An outsider verifies an exported chain with the public key alone."""

import json

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from faelleslab.errors import AuditError
from faelleslab_hub.audit import export
from faelleslab_hub.audit.findings import Kind
from faelleslab_hub.audit.verify import quiet

many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="session")
def exported(full_house) -> dict[bool, list[str]]:
    return {personal: list(export.write(full_house.settings, "0751", personal=personal)) for personal in (True, False)}


def verify(lines, house, tmp_path):
    path = tmp_path / "export.jsonl"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return export.verify_file(path, house.key.public_key(), quiet)


def is_whole(lines, house, tmp_path) -> bool:
    try:
        return verify(lines, house, tmp_path).whole
    except AuditError as error:
        if error.code != "FL-A008":
            raise
        return False


@pytest.mark.parametrize("personal", [True, False])
def test_is_whole_and_names_nobody_unless_asked(exported, full_house, tmp_path, *, personal: bool) -> None:
    verdict = verify(exported[personal], full_house, tmp_path)
    assert verdict.whole
    assert (verdict.n_events, verdict.n_checkpoints, verdict.n_erased) == (12, 3, 2 if personal else 0)
    assert ("konto-" in "".join(exported[personal])) is personal
    assert "borte" not in "".join(exported[personal])


@many
@given(data=st.data(), personal=st.booleans())
def test_any_edit_of_a_value_is_found(exported, full_house, tmp_path, data, *, personal: bool) -> None:
    lines = list(exported[personal])
    number = data.draw(st.integers(1, len(lines) - 1))
    value = json.loads(lines[number])
    name = data.draw(st.sampled_from(sorted(set(value) - {"kind"})))
    new = data.draw(st.text(max_size=5) | st.integers() | st.none())
    assume(value[name] != new)
    lines[number] = json.dumps({**value, name: new})
    assert not is_whole(lines, full_house, tmp_path)


@many
@given(data=st.data())
def test_any_removed_doubled_or_moved_line_is_found(exported, full_house, tmp_path, data) -> None:
    lines = list(exported[True])
    number = data.draw(st.integers(0, len(lines) - 1))
    line = lines.pop(number)
    target = data.draw(st.none() | st.integers(0, len(lines)))
    if target is not None:
        # A checkpoint may come later than its event: it says itself which one it speaks of.
        assume(target != number and json.loads(line)["kind"] != "checkpoint")
        assume(json.loads(lines[min(target, number)])["kind"] != "checkpoint" or abs(target - number) > 1)
        lines.insert(target, line)
    assert not is_whole(lines, full_house, tmp_path)


def test_another_key_is_not_believed(exported, full_house, house, tmp_path) -> None:
    verdict = verify(exported[False], house, tmp_path)
    assert {finding.kind for finding in verdict.findings} == {Kind.CHECKPOINT_FORGED}


@pytest.mark.parametrize("text", ["", "{}", "[]", "x", "\xff", "[" * 100_000, '{"kind":"chain"}', '{"kind":"event"}'])
def test_other_files_are_refused_by_line(full_house, tmp_path, text: str) -> None:
    with pytest.raises(AuditError, match=r"FL-A008"):
        verify([text], full_house, tmp_path)


def test_missing_file_and_missing_chain(full_house, tmp_path) -> None:
    with pytest.raises(AuditError, match="FL-A008"):
        export.verify_file(tmp_path / "none", full_house.key.public_key(), quiet)
    with pytest.raises(AuditError, match="FL-A007"):
        list(export.write(full_house.settings, "0999", personal=False))
