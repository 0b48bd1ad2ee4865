"""Export one chain as a file an outsider can verify with the public key alone.

The file is UTF-8, one JSON object per line, each with a key ``kind``:

- first line ``{"kind":"chain","format":"faelleslab-audit-1","chain":…,"personal":true|false,"public_key":…}``; the key
  is only for orientation: verify with one you were given by another road.
- ``{"kind":"event",…}``: the keys seq, time, type, actor, subject, details, personal_hash, prev_hash, hash; ``details``
  is the canonical text itself, as a string. With ``personal`` true also salt and personal (both null when erased).
- ``{"kind":"checkpoint","line":…}`` after the event it speaks of; the line of the checkpoint file, as a string.
- last line ``{"kind":"end","events":N,"checkpoints":N}``.

To verify: hash each event as `canonical` says and compare with ``hash``; ``prev_hash`` must be the hash of the event
before, ``seq`` must rise by one from 1; ``personal_hash`` must fit salt and personal unless a later event of type
``personal.erased`` lists the seq; each checkpoint's signature must fit the key, its number must rise by one from 1,
``prev`` must be the hash of the line before, and its ``hash`` that of the event with its ``seq``.

A file proves what is in it up to its last checkpoint. That nothing newer was left out is not in its power to prove:
compare the last checkpoint with that of a later export, or with the checkpoint file itself.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from faelleslab.errors import AuditError
from faelleslab_hub import database
from faelleslab_hub.audit import canonical, checkpoint, links
from faelleslab_hub.audit.findings import Kind, Verdict
from faelleslab_hub.audit.links import Erased, Link
from faelleslab_hub.audit.verify import ChainVerifier, Progress, interleave, walk
from faelleslab_hub.settings import Settings

FORMAT = "faelleslab-audit-1"


def write(settings: Settings, chain: str, *, personal: bool) -> Iterator[str]:
    """Give the lines of the export of a chain; ``personal`` adds the personal parts that are still there."""
    path = checkpoint.path_of(settings, chain)
    n_lines = sum(1 for _ in checkpoint.lines(path))
    key = settings.checkpoints / "public-key.pem"
    with database.session(settings, read_only=True) as session:
        head = links.head(session, chain)
        if head is None:
            raise unknown_chain(chain)
        n_lines = max(n_lines, head.checkpoint_number)
        public = key.read_text(encoding="ascii") if key.exists() else None
        yield canonical.encode(
            {"kind": "chain", "format": FORMAT, "chain": chain, "personal": personal, "public_key": public}
        )
        n_events = n_checkpoints = 0
        for item in interleave(links.read(session, chain), islice(checkpoint.lines(path), n_lines)):
            if isinstance(item, str):
                n_checkpoints += 1
                yield canonical.encode({"kind": "checkpoint", "line": item})
            else:
                n_events += 1
                yield canonical.encode(_event(item, personal=personal))
        yield canonical.encode({"kind": "end", "events": n_events, "checkpoints": n_checkpoints})


def verify_file(path: Path, key: Ed25519PublicKey, progress: Progress) -> Verdict:
    """Verify an exported file with a public key, without a database.

    Raises
    ------
    AuditError
        FL-A008 when the file cannot be read as an export.
    """
    first = next(_objects(path), {})
    if first.get("kind") != "chain" or first.get("format") != FORMAT or not isinstance(first.get("chain"), str):
        raise _unreadable(path, 1)
    chain, personal = first["chain"], first.get("personal") is True
    verifier = ChainVerifier(chain, key, Erased(_erasures(path)), personal=personal)
    ended: list[dict[str, Any]] = []
    walk(verifier, _items(path, chain, ended), progress)
    verdict = verifier.finish(None, has_head=False)
    if not ended or ended[0].get("events") != verdict.n_events:
        verdict.add(Kind.CUT_OFF, verdict.n_events + 1)
    elif verdict.whole and ended[0].get("checkpoints") != verdict.n_checkpoints:
        verdict.add(Kind.CHECKPOINT_REMOVED, verdict.n_checkpoints + 1)
    return verdict


def unknown_chain(chain: str) -> AuditError:
    """Give the error for a chain that does not exist."""
    return AuditError("FL-A007", f"Der er ingen kæde ved navn '{chain}'.", remedy="se dem med 'audit verify'.")


def _event(link: Link, *, personal: bool) -> dict[str, Any]:
    values = link._asdict()
    del values["chain"]
    content = values.pop("content")
    if personal:
        values["personal"] = content
    else:
        del values["salt"]
    return {"kind": "event", **values}


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    number = 0
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                value = json.loads(line)
                if not isinstance(value, dict):
                    raise _unreadable(path, number)
                yield value
    except OSError as error:
        raise AuditError("FL-A008", f"Filen {path} kan ikke læses ({error.strerror}).") from None
    except (ValueError, RecursionError):
        raise _unreadable(path, number + 1) from None


def _erasures(path: Path) -> Iterator[tuple[int, str]]:
    for value in _objects(path):
        if value.get("type") == links.ERASED and isinstance(value.get("seq"), int):
            yield value["seq"], str(value.get("details"))


def _items(path: Path, chain: str, ended: list[dict[str, Any]]) -> Iterator[Link | str]:
    for number, value in enumerate(_objects(path), start=1):
        kind = value.pop("kind", None)
        if ended:
            raise _unreadable(path, number)
        if kind == "checkpoint" and isinstance(value.get("line"), str):
            yield value["line"]
        elif kind == "event":
            yield _link(path, number, chain, value)
        elif kind == "end":
            ended.append({"kind": kind, **value})
        elif number > 1:
            raise _unreadable(path, number)


def _link(path: Path, number: int, chain: str, value: dict[str, Any]) -> Link:
    texts = ("time", "type", "details", "prev_hash", "hash")
    maybe = ("actor", "subject", "personal_hash", "salt", "personal")
    well_formed = (
        type(value.get("seq")) is int
        and all(isinstance(value.get(name), str) for name in texts)
        and all(isinstance(value.get(name), str | None) for name in maybe)
        and set(value) <= {"seq", *texts, *maybe}
    )
    if not well_formed:
        raise _unreadable(path, number)
    content = value.pop("personal", None)
    return Link(chain=chain, content=content, **value)


def _unreadable(path: Path, number: int) -> AuditError:
    return AuditError(
        "FL-A008",
        f"Filen {path} er ikke en eksport af et revisionsspor (linje {number}).",
        remedy="bed om en ny eksport; denne beviser intet.",
    )
