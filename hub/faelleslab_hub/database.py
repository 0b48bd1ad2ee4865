"""The one database of an installation: SQLite when embedded, PostgreSQL in production.

Promises: `session` is one transaction, on either engine; a writer on SQLite takes the write lock at its first
statement (``BEGIN IMMEDIATE``), so two writers wait for each other instead of failing half-way; every commit is
on disk before it returns; no statement's values reach a log or a message.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

from faelleslab.errors import ConfigurationError
from faelleslab_hub.settings import Settings
from faelleslab_hub.shared_files import open_shared

MIGRATIONS = Path(__file__).parent / "migrations"
# Another process may hold SQLite's write lock while it fsyncs; a busy machine makes that seconds, not minutes.
_BUSY_TIMEOUT_S = 60
# Any constant: names the lock that keeps two processes from migrating one PostgreSQL database at once.
_ADVISORY_LOCK = 0x464C4142
_CONFLICT = frozenset({"40001", "40P01"})


class Base(DeclarativeBase):
    """The base of every room's tables: one metadata, one migrations folder."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time: aware and in UTC on both engines (SQLite itself forgets the zone)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the engine UTC; a time without a zone is a programming error."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a time without a zone cannot be stored"
            raise ValueError(message)
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the caller an aware time."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def engine(settings: Settings) -> Engine:
    """Give the installation's engine; the same one at every call in a process."""
    return _engine(settings)


@contextmanager
def session(settings: Settings, *, read_only: bool = False) -> Iterator[Session]:
    """Open one transaction: committed at the end, rolled back when the block raises.

    Parameters
    ----------
    settings : Settings
        Where the database is.
    read_only : bool
        Read one unchanging state of the database and take no lock; a write in the block fails.

    Raises
    ------
    ConfigurationError
        FL-K201 when the database cannot be reached or used, FL-K202 when its tables are missing. A deadlock or a
        serialisation conflict (PostgreSQL) passes through as SQLAlchemy's error: the caller may try again.
    """
    bound = engine(settings)
    if read_only:
        bound = bound.execution_options(read_only=True)
        if bound.dialect.name == "postgresql":
            bound = bound.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    try:
        with Session(bound, expire_on_commit=False) as opened, opened.begin():
            opened.info["read_only"] = read_only
            yield opened
    except (OperationalError, ProgrammingError) as error:
        raise (_plain(error) or error) from error


def upgrade(settings: Settings) -> None:
    """Bring the database to this version's tables; does nothing when it is there already.

    Several processes may call it at once: one migrates, the others wait and find it done.

    Raises
    ------
    ConfigurationError
        FL-K201 when the database cannot be reached, FL-K203 when it was made by a newer version.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    try:
        with _one_at_a_time(settings), engine(settings).connect() as connection, connection.begin():
            current = MigrationContext.configure(connection).get_current_revision()
            if current is not None and current not in {entry.revision for entry in script.walk_revisions()}:
                raise ConfigurationError(
                    "FL-K203",
                    f"Databasen er lavet af en nyere udgave ({current}).",
                    rule="en ældre udgave må ikke skrive i en nyere database.",
                    remedy="brug den nyere udgave, eller gendan databasen fra en sikkerhedskopi.",
                )
            if current != script.get_current_head():
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    except (OperationalError, ProgrammingError) as error:
        raise (_plain(error) or error) from error


def purge(settings: Settings, tables: list[str]) -> None:
    """Remove the bytes of rows that were deleted from these tables, as far as the engine can.

    SQLite overwrites deleted rows at once (``secure_delete``) and here empties its write-ahead log, which can take as
    long as the longest reader. PostgreSQL frees them by ``VACUUM``; its own log and backups follow their retention.
    """
    bound = engine(settings)
    if bound.dialect.name == "sqlite":
        connection = bound.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
        return
    with bound.execution_options(isolation_level="AUTOCOMMIT").connect() as opened:
        for table in tables:
            opened.exec_driver_sql(f'VACUUM "{table}"')


@contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    if engine(settings).dialect.name == "postgresql":
        with engine(settings).connect() as connection:
            # Held by the connection, not by a transaction; closing the connection gives it back.
            connection.execute(sa.select(sa.func.pg_advisory_lock(_ADVISORY_LOCK)))
            connection.commit()
            try:
                yield
            finally:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(_ADVISORY_LOCK)))
                connection.commit()
        return
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = open_shared(settings.home / "database.lock", os.O_RDWR, settings)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@cache
def _engine(settings: Settings) -> Engine:
    url, home = settings.database_url, settings.home
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in ("sqlite", "postgresql"):
        # The address may hold a password, so it is not repeated.
        raise ConfigurationError(
            "FL-K204",
            "Databasens adresse (FAELLESLAB_DATABASE_URL) kan ikke bruges.",
            rule="den begynder med sqlite:/// eller postgresql://.",
            remedy="ret variablen.",
        )
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
        return sa.create_engine(parsed, hide_parameters=True, pool_pre_ping=True)
    if parsed.database:
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Made by us first, so that nobody else on the machine can read it even for a moment.
            os.close(open_shared(parsed.database, os.O_RDWR, settings))
        except OSError as error:
            raise _unusable(f"{parsed.database}: {error.strerror}") from None
    made = sa.create_engine(parsed, hide_parameters=True, connect_args={"timeout": _BUSY_TIMEOUT_S})
    event.listen(made, "connect", _prepare_sqlite)
    event.listen(made, "begin", _begin_sqlite)
    return made


def _prepare_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite does, and earlier.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL: a signed checkpoint must never know of an event that a power cut takes back.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # What is erased is overwritten, not only unlinked.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql(f"PRAGMA query_only={'ON' if reading else 'OFF'}")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _plain(error: DBAPIError) -> ConfigurationError | None:
    cause: Any = error.orig
    text = str(cause).lower()
    state = getattr(cause, "sqlstate", None)
    if state in _CONFLICT or "readonly database" in text:
        return None
    if "no such table" in text or "no such column" in text or state in ("42P01", "42703"):
        return ConfigurationError(
            "FL-K202",
            "Databasen mangler tabeller.",
            rule="databasen skal svare til denne udgave.",
            remedy="kør 'faelleslab-hub database upgrade'.",
        )
    if isinstance(error, ProgrammingError):
        return None
    reason = "disken er fuld" if "full" in text else "den er låst" if "locked" in text else "ingen forbindelse"
    return _unusable(reason)


def _unusable(reason: str) -> ConfigurationError:
    return ConfigurationError(
        "FL-K201",
        f"Databasen kan ikke bruges lige nu ({reason}).",
        remedy="se efter, at den kører, at der er plads på disken, og at FAELLESLAB_DATABASE_URL er rigtig.",
    )
