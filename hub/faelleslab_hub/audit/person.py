"""A person in the audit chain: what is recorded of her, and forgetting it by rule.

Erasing deletes the personal parts that name the account, with their salts, and the row that resolves its opaque id;
the chain itself stays untouched and whole, and holds a ``personal.erased`` event with the rule and the events' numbers.
An event in which someone else acted on her loses its whole personal part.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Session

from faelleslab.errors import ConfigurationError, FaelleslabError
from faelleslab_hub import database
from faelleslab_hub.audit import canonical, links
from faelleslab_hub.audit.chain import append
from faelleslab_hub.audit.models import Alias, Event, Personal
from faelleslab_hub.settings import Settings

_RULE = re.compile(r"[^\W_][\w .,:§()/-]{2,99}")
_RANGES_PER_EVENT = 100


def events_of(session: Session, account: str) -> Iterator[dict[str, object]]:
    """Give each event in which the account acted or is named, by chain and number."""
    account = canonical.readable(account)
    opaque = session.scalar(sa.select(Alias.alias).where(Alias.account == account))
    query = (
        sa.select(Event, Personal.content)
        .outerjoin(Personal, sa.and_(Personal.chain == Event.chain, Personal.seq == Event.seq))
        .where(sa.or_(Event.actor == opaque, _mentions(account)))
        .order_by(Event.chain, Event.seq)
        .execution_options(yield_per=1000)
    )
    for event, content in session.execute(query):
        personal = json.loads(content) if content else None
        if (opaque is not None and event.actor == opaque) or _names(personal, account):
            yield {
                "chain": event.chain,
                "seq": event.seq,
                "time": event.time,
                "type": event.type,
                "actor": event.actor,
                "subject": event.subject,
                "details": json.loads(event.details),
                "personal": personal,
            }


def erase(settings: Settings, account: str, rule: str) -> dict[str, int]:
    """Forget an account by rule, in one transaction.

    Parameters
    ----------
    settings : Settings
    account : str
        The account's name.
    rule : str
        The rule it happens by, e.g. ``opbevaring 5 år``; stands in the chain for ever, so it names nobody.

    Returns
    -------
    dict of str to int
        How many events lost their personal part, by chain.

    Raises
    ------
    ConfigurationError
        FL-A005 when the rule is missing or names the account.
    FaelleslabError
        FL-A006 when nothing is recorded of the account.
    """
    name = canonical.readable(account)
    if not _RULE.fullmatch(rule) or name.casefold() in rule.casefold():
        raise ConfigurationError(
            "FL-A005",
            "Reglen kan ikke bruges.",
            rule="den er 3-100 tegn, fx 'opbevaring 5 år', og nævner ikke personen, for den bliver stående i sporet.",
            remedy="angiv reglen med --rule.",
        )
    with database.session(settings) as session:
        erased = _erase(session, name, rule)
    # The bytes go too: from SQLite's log of changes, and from PostgreSQL's dead rows.
    database.purge(settings, [Personal.__tablename__, Alias.__tablename__])
    return erased


def _erase(session: Session, name: str, rule: str) -> dict[str, int]:
    opaque = session.scalar(sa.select(Alias.alias).where(Alias.account == name))
    found: dict[str, list[int]] = defaultdict(list)
    query = sa.select(Personal.chain, Personal.seq, Personal.content).where(_mentions(name))
    for chain, seq, content in session.execute(query.order_by(Personal.chain, Personal.seq)):
        if _names(json.loads(content), name):
            found[chain].append(seq)
    if opaque is None and not found:
        raise FaelleslabError("FL-A006", "Der er intet at slette: kontoen findes ikke i revisionssporet.")
    if opaque is not None:
        session.execute(sa.delete(Alias).where(Alias.alias == opaque))
        # The id itself belongs to a chain; its erasure is told there even when no personal part was left.
        found.setdefault(opaque.split("-")[0], [])
    for chain, seqs in sorted(found.items()):
        ranges = links.ranges_of(seqs)
        for first, last in ranges:
            session.execute(sa.delete(Personal).where(Personal.chain == chain, Personal.seq.between(first, last)))
        for start in range(0, max(1, len(ranges)), _RANGES_PER_EVENT):
            some = ranges[start : start + _RANGES_PER_EVENT]
            append(session, chain=chain, type=links.ERASED, subject=opaque, details={"rule": rule, "seqs": some})
    return {chain: len(seqs) for chain, seqs in found.items()}


def _mentions(name: str) -> sa.ColumnElement[bool]:
    # A first sieve in the database; `_names` decides, since the text may also stand in the middle of another.
    return Personal.content.contains(canonical.encode(name), autoescape=True)


def _names(value: object, name: str) -> bool:
    if isinstance(value, dict):
        return any(_names(item, name) for item in value.values())
    if isinstance(value, list):
        return any(_names(item, name) for item in value)
    return value == name
