"""Append to an audit chain: in the caller's transaction, one after the other, without gaps or forks.

The head row of the chain stays locked until the transaction ends, so a state change and its event are one act: both
happen or neither does. Two transactions on one chain therefore wait for each other; keep them short.
"""

import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from faelleslab_hub import database
from faelleslab_hub.audit import canonical
from faelleslab_hub.audit.models import Alias, Chain, Event, Personal
from faelleslab_hub.database import Base
from faelleslab_hub.settings import Settings

_CHAIN = re.compile(r"[0-9]{4}|kursus|drift")
_TYPE = re.compile(r"[a-z]+(\.[a-z]+)*")
# Without vowels and look-alikes: an opaque id never spells a word and can be read out on the telephone.
_ALPHABET = "23456789bcdfghjkmnpqrstvwxz"
_ALIAS_LENGTH = 6


def _table(model: type[Chain] | type[Event] | type[Personal]) -> sa.Table:
    return Base.metadata.tables[model.__tablename__]


_EVENT_COLUMNS = tuple(_table(Event).columns.keys())
_INSERT_EVENT = sa.insert(_table(Event))
_INSERT_PERSONAL = sa.insert(_table(Personal))
_HEAD = sa.select(Chain.seq, Chain.hash).where(Chain.chain == sa.bindparam("of_chain")).with_for_update()
_MOVE_HEAD = sa.update(_table(Chain)).where(Chain.chain == sa.bindparam("to_chain"))


def append(
    session: Session,
    *,
    chain: str,
    type: str,
    actor: str | None = None,
    subject: str | None = None,
    details: Mapping[str, Any] | None = None,
    personal: Mapping[str, Any] | None = None,
) -> Event:
    """Append one event to a chain, in the caller's transaction.

    Parameters
    ----------
    session : Session
        An open writing transaction (`faelleslab_hub.database.session`).
    chain : str
        Tenant code, or ``drift`` for what belongs to no municipality.
    type : str
        What happened, e.g. ``login.succeeded``.
    actor : str or None
        Account name of who did it; the chain holds only its opaque id, the name goes into the personal part.
    subject : str or None
        What it was done to, pseudonymous: a run's id, never a name.
    details : Mapping or None
        Facts that name nobody and hold no parameter's value. Text is cut at 256 characters.
    personal : Mapping or None
        Facts about a person; erased by rule.

    Returns
    -------
    Event
        The stored event, with its ``seq`` and ``hash``.
    """
    if session.info.get("read_only"):
        message = "an event cannot be appended in a read-only transaction"
        raise ValueError(message)
    if not _CHAIN.fullmatch(chain) or not _TYPE.fullmatch(type) or len(type) > 40:
        message = f"no such chain or type of event: {chain!r}, {type!r}"
        raise ValueError(message)
    seq, prev_hash = _lock_head(session, chain)
    facts = canonical.cleaned(personal)
    if actor is not None:
        facts["account"] = canonical.readable(actor)
    salt = secrets.token_hex(16)
    content = canonical.encode(facts)
    event = Event(
        chain=chain,
        seq=seq + 1,
        time=canonical.timestamp(datetime.now(UTC)),
        type=type,
        actor=None if actor is None else alias(session, actor, tenant=chain),
        subject=None if subject is None else canonical.readable(subject)[:200],
        details=canonical.encode(canonical.cleaned(details)),
        personal_hash=canonical.personal_hash(salt, content) if facts else None,
        prev_hash=prev_hash,
    )
    event.hash = hash_of(event)
    # Plain statements: the session's own book-keeping of objects would cost more than all the rest.
    session.execute(_INSERT_EVENT, {column: getattr(event, column) for column in _EVENT_COLUMNS})
    if facts:
        session.execute(_INSERT_PERSONAL, {"chain": chain, "seq": event.seq, "salt": salt, "content": content})
    session.execute(_MOVE_HEAD, {"to_chain": chain, "seq": event.seq, "hash": event.hash})
    return event


def record(settings: Settings, **event: Any) -> Event:
    """Append one event in a transaction of its own; the arguments are those of `append`.

    When this raises, the event is not written, and the act it stands for must not happen.
    """
    with database.session(settings) as session:
        return append(session, **event)


def alias(session: Session, account: str, *, tenant: str) -> str:
    """Give the opaque id of an account (``0751-k3f9bc``), made at its first use.

    ``tenant`` is where the account belongs, and only names a new id: what an account once got stays.
    """
    account = canonical.readable(account)[:200]
    find = sa.select(Alias.alias).where(Alias.account == account)
    while (found := session.scalar(find)) is None:
        made = f"{tenant}-" + "".join(secrets.choice(_ALPHABET) for _ in range(_ALIAS_LENGTH))
        # An erased person's id lives on in the chain and must never come to mean someone else.
        if session.scalar(sa.select(Event.seq).where(Event.actor == made).limit(1)) is None:
            _insert_or_leave(session, Alias, {"alias": made, "account": account})
    return found


def hash_of(event: Event) -> str:
    """Compute the hash an event should have."""
    return canonical.event_hash(
        event.chain,
        event.seq,
        event.time,
        event.type,
        event.actor,
        event.subject,
        event.details,
        event.personal_hash,
        event.prev_hash,
    )


def _lock_head(session: Session, chain: str) -> tuple[int, str]:
    head = session.execute(_HEAD, {"of_chain": chain}).one_or_none()
    if head is None:
        first = {"chain": chain, "seq": 0, "hash": canonical.GENESIS, "checkpoint_number": 0}
        _insert_or_leave(session, Chain, first)
        head = session.execute(_HEAD, {"of_chain": chain}).one()
    return head.seq, head.hash


def _insert_or_leave(session: Session, model: type[Chain] | type[Alias], values: dict[str, Any]) -> None:
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(insert(model).values(**values).on_conflict_do_nothing())
