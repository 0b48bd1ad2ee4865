"""Read a chain from the database: one link at a time, in order, in constant memory."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from faelleslab_hub.audit import canonical
from faelleslab_hub.audit.models import Chain, Event, Personal

ERASED = "personal.erased"
_AT_ONCE = 2000


class Link(NamedTuple):
    """An event as stored, with its personal part when there is one."""

    chain: str
    seq: int
    time: str
    type: str
    actor: str | None
    subject: str | None
    details: str
    personal_hash: str | None
    prev_hash: str
    hash: str
    salt: str | None = None
    content: str | None = None

    def computed_hash(self, seq: int | None = None) -> str:
        """Compute the hash this event should have, here or at another place in the chain."""
        return canonical.event_hash(
            self.chain,
            self.seq if seq is None else seq,
            self.time,
            self.type,
            self.actor,
            self.subject,
            self.details,
            self.personal_hash,
            self.prev_hash,
        )


def read(session: Session, chain: str, *, first: int = 1) -> Iterator[Link]:
    """Read the links from event ``first`` to the end."""
    query = (
        sa.select(
            Event.chain,
            Event.seq,
            Event.time,
            Event.type,
            Event.actor,
            Event.subject,
            Event.details,
            Event.personal_hash,
            Event.prev_hash,
            Event.hash,
            Personal.salt,
            Personal.content,
        )
        .outerjoin(Personal, sa.and_(Personal.chain == Event.chain, Personal.seq == Event.seq))
        .where(Event.chain == chain, Event.seq >= first)
        .order_by(Event.seq)
        .execution_options(yield_per=_AT_ONCE)
    )
    for part in session.execute(query).partitions():
        for row in part:
            yield Link._make(row)


def head(session: Session, chain: str) -> Chain | None:
    """Read the head row of a chain."""
    return session.get(Chain, chain)


def chains(session: Session) -> set[str]:
    """List the chains of which there is a head or an event."""
    return {*session.scalars(sa.select(Chain.chain)), *session.scalars(sa.select(Event.chain).distinct())}


def erasures(session: Session, chain: str) -> Iterator[tuple[int, str]]:
    """Read seq and details of the erasure events of a chain."""
    query = sa.select(Event.seq, Event.details).where(Event.chain == chain, Event.type == ERASED)
    return ((seq, details) for seq, details in session.execute(query))


class Erased:
    """The events whose personal part was erased by rule, as merged ranges of seq."""

    def __init__(self, erasure_events: Iterable[tuple[int, str]]) -> None:
        ranges = sorted(found for seq, details in erasure_events for found in _ranges(seq, details))
        self._ranges: list[list[int]] = []
        for first, last in ranges:
            if self._ranges and first <= self._ranges[-1][1] + 1:
                self._ranges[-1][1] = max(self._ranges[-1][1], last)
            else:
                self._ranges.append([first, last])
        self._at = 0

    def covers(self, seq: int) -> bool:
        """Whether the personal part of this event was erased; asked in rising order."""
        while self._at < len(self._ranges) and self._ranges[self._at][1] < seq:
            self._at += 1
        return self._at < len(self._ranges) and self._ranges[self._at][0] <= seq


def ranges_of(seqs: Sequence[int]) -> list[list[int]]:
    """Write rising numbers as pairs of first and last."""
    found: list[list[int]] = []
    for seq in seqs:
        if found and found[-1][1] + 1 == seq:
            found[-1][1] = seq
        else:
            found.append([seq, seq])
    return found


def _ranges(own_seq: int, details: str) -> Iterator[tuple[int, int]]:
    # A tampered erasure event is found by its hash; here it must only not get in the way.
    try:
        for first, last in json.loads(details)["seqs"]:
            # An erasure speaks of events before it, never of those to come.
            yield int(first), min(int(last), own_seq - 1)
    except (ValueError, TypeError, KeyError, RecursionError):
        return
