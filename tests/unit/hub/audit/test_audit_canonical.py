"""The bytes a hash covers are canonical JSON, and no stranger's text can break them."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faelleslab_hub.audit import canonical

texts = st.text(st.characters(), max_size=300)
optional = st.none() | texts
facts = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)


@given(seq=st.integers(1, 2**53), actor=optional, subject=optional, type=texts, personal_hash=optional, details=facts)
def test_event_hash_is_that_of_the_canonical_object(seq, actor, subject, type, personal_hash, details) -> None:
    details = canonical.cleaned(details)
    body = {
        "actor": actor,
        "chain": "0751",
        "details": details,
        "personal_hash": personal_hash,
        "prev_hash": "ab",
        "seq": seq,
        "subject": subject,
        "time": "2026-11-22T04:27:00.123456Z",
        "type": type,
        "version": 1,
    }
    text = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    expected = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    assert (
        canonical.event_hash(
            "0751",
            seq,
            "2026-11-22T04:27:00.123456Z",
            type,
            actor,
            subject,
            canonical.encode(details),
            personal_hash,
            "ab",
        )
        == expected
    )


@given(st.text(st.characters(codec=None), max_size=2000))
def test_any_text_becomes_storable(text: str) -> None:
    kept = canonical.cleaned({"name": text})["name"]
    assert len(kept) <= 256
    assert all(letter.isprintable() for letter in kept)
    assert "\x00" not in kept.encode("utf-8").decode("utf-8")


@pytest.mark.parametrize("value", [1.5, float("nan"), b"x", {1}, object(), 2**53, -(2**53)])
def test_refuses_what_is_not_canonical(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        canonical.cleaned({"n": value})


@pytest.mark.parametrize("key", ["", "Æ", "a b", "A", "a" * 41, 1])
def test_refuses_keys_that_sort_differently_elsewhere(key: object) -> None:
    with pytest.raises(ValueError, match="name"):
        canonical.cleaned({key: 1})  # type: ignore[dict-item]


def test_refuses_large_facts() -> None:
    with pytest.raises(ValueError, match="4 KiB"):
        canonical.cleaned({"n": ["x" * 200] * 30})
