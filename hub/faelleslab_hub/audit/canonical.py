"""The exact bytes an audit hash covers.

Values are JSON in the canonical form of RFC 8785 (JCS), of which a part is enough here: objects whose keys are lower
case ASCII words (sorted), strings, integers up to 2**53-1, true, false, null and lists; UTF-8, no white space.
Decimal numbers are refused, since their text differs between languages; write them as text.

- ``event hash`` = SHA-256 of the canonical object with the keys actor, chain, details, personal_hash, prev_hash, seq,
  subject, time, type, version (1). ``prev_hash`` is the hash of the event before it, 64 zeros for the first.
- ``personal_hash`` = SHA-256 of the 16 salt bytes followed by the canonical personal part; null when there is none.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any

GENESIS = "0" * 64
_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LONGEST_TEXT = 256
_LARGEST_INTEGER = 2**53 - 1
_MOST_BYTES = 4096


def encode(value: object) -> str:
    """Give the canonical JSON of a value that `cleaned` let through."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def cleaned(facts: Mapping[str, Any] | None) -> dict[str, Any]:
    """Check the facts of an event and cut long text, so that no stranger's input can stop an event.

    Raises
    ------
    TypeError, ValueError
        For a key or a kind of value the canonical form does not know, or more than 4 KiB: programming errors.
    """
    result = {_key(key): _value(value) for key, value in (facts or {}).items()}
    if len(encode(result).encode()) > _MOST_BYTES:
        message = "the facts of an event are at most 4 KiB"
        raise ValueError(message)
    return result


def readable(text: str) -> str:
    """Make text storable everywhere: no lone surrogates, no control characters, at most 256 characters."""
    text = text[: _LONGEST_TEXT + 1].encode("utf-8", "replace").decode("utf-8")
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


def timestamp(moment: datetime) -> str:
    """Write a time as ``2026-11-22T04:27:00.123456Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def event_hash(
    chain: str,
    seq: int,
    time: str,
    type: str,
    actor: str | None,
    subject: str | None,
    details: str,
    personal_hash: str | None,
    prev_hash: str,
) -> str:
    """Hash an event's body; ``details`` is its stored canonical text.

    The text is built here rather than by a JSON encoder: it is the same text (a test compares them), five times as
    fast, and it covers ``details`` as stored, so that not even white space in it can change unseen.
    """
    text = encode_basestring
    body = (
        f'{{"actor":{"null" if actor is None else text(actor)},"chain":{text(chain)},"details":{details},'
        f'"personal_hash":{"null" if personal_hash is None else text(personal_hash)},"prev_hash":{text(prev_hash)},'
        f'"seq":{seq},"subject":{"null" if subject is None else text(subject)},"time":{text(time)},'
        f'"type":{text(type)},"version":1}}'
    )
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()


def personal_hash(salt: str, content: str) -> str:
    """Hash a personal part; ``salt`` is 32 hexadecimal digits, ``content`` its stored canonical text."""
    return hashlib.sha256(bytes.fromhex(salt) + content.encode("utf-8", "surrogatepass")).hexdigest()


def _key(key: str) -> str:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        message = f"a fact's name is a lower case ASCII word, not {key!r}"
        raise ValueError(message)
    return key


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return readable(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > _LARGEST_INTEGER:
            message = "an integer in an event is at most 2**53 - 1"
            raise ValueError(message)
        return int(value)
    if isinstance(value, Mapping):
        return {_key(key): _value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item) for item in value]
    message = f"an event cannot hold a {type(value).__name__}"
    raise TypeError(message)
