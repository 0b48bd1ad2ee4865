"""The audit tables: what is chained, what can be erased, and who an opaque id is."""

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from faelleslab_hub.database import Base


class Chain(Base):
    """The head of one chain: its last event. Locked while an event is appended."""

    __tablename__ = "audit_chain"

    chain: Mapped[str] = mapped_column(String(16), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))
    # The last checkpoint the broker signed; a checkpoint file with fewer lines has lost some.
    checkpoint_number: Mapped[int] = mapped_column(BigInteger, default=0)


class Event(Base):
    """One link of a chain; `faelleslab_hub.audit.canonical` says what its hash covers."""

    __tablename__ = "audit_event"
    __table_args__ = (Index("ix_audit_event_chain_type", "chain", "type"),)

    chain: Mapped[str] = mapped_column(String(16), ForeignKey("audit_chain.chain"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    # Text, because the hash covers these very characters; sorts as time does.
    time: Mapped[str] = mapped_column(String(27))
    type: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str | None] = mapped_column(String(40), index=True)
    subject: Mapped[str | None] = mapped_column(String(200))
    details: Mapped[str] = mapped_column(Text)
    personal_hash: Mapped[str | None] = mapped_column(String(64))
    prev_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class Personal(Base):
    """The part of an event that names a person; erased by rule, with its salt, without touching the chain."""

    __tablename__ = "audit_personal"
    __table_args__ = (ForeignKeyConstraint(["chain", "seq"], ["audit_event.chain", "audit_event.seq"]),)

    chain: Mapped[str] = mapped_column(String(16), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    salt: Mapped[str] = mapped_column(String(32))
    content: Mapped[str] = mapped_column(Text)


class Alias(Base):
    """Which account an opaque id stands for; erased with the person, so that the id can no longer be resolved."""

    __tablename__ = "account_alias"

    alias: Mapped[str] = mapped_column(String(40), primary_key=True)
    account: Mapped[str] = mapped_column(String(200), unique=True)
