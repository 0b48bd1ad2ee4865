"""An installation with a chain worth tampering with."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from faelleslab_hub import audit, database
from faelleslab_hub.audit import checkpoint, person
from faelleslab_hub.audit.findings import Finding, Verdict
from faelleslab_hub.audit.signer import Signer
from faelleslab_hub.audit.verify import quiet, verify_all
from faelleslab_hub.settings import Settings


def make_settings(home: Path, **other: object) -> Settings:
    values = {
        "mode": "embedded",
        "home": home,
        "bind": "127.0.0.1",
        "port": 18000,
        "config": Path(__file__).parents[4] / "hub" / "municipalities",
        "database_url": f"sqlite:///{home / 'faelleslab.sqlite'}",
        "tls_certificate": None,
        "tls_key": None,
        "public_url": "http://127.0.0.1:18000",
    }
    return Settings(**{**values, **other})  # type: ignore[arg-type]


@dataclass
class House:
    """One installation, its key, and a way to tamper with its database behind its back."""

    settings: Settings
    key: Ed25519PrivateKey

    def sign(self) -> Signer:
        signer = Signer(self.settings, self.key)
        signer.sign_moved()
        return signer

    def sql(self, statement: str, *values: object) -> int:
        with closing(sqlite3.connect(self.settings.home / "faelleslab.sqlite")) as raw:
            n_rows = raw.execute(statement, values).rowcount
            raw.commit()
        return n_rows

    def rows(self, statement: str, *values: object) -> list[tuple]:
        with closing(sqlite3.connect(self.settings.home / "faelleslab.sqlite")) as raw:
            return raw.execute(statement, values).fetchall()

    def verdicts(self) -> dict[str, Verdict]:
        return {v.chain: v for v in verify_all(self.settings, self.key.public_key(), quiet)}

    def findings(self) -> list[Finding]:
        return [finding for verdict in self.verdicts().values() for finding in verdict.findings]

    def checkpoint_file(self, chain: str) -> Path:
        return checkpoint.path_of(self.settings, chain)


def build(home: Path, *, database_url: str | None = None) -> House:
    settings = make_settings(home, **({"database_url": database_url} if database_url else {}))
    key = Ed25519PrivateKey.generate()
    settings.checkpoints.mkdir(parents=True)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (settings.checkpoints / "public-key.pem").write_bytes(public)
    database.upgrade(settings)
    return House(settings, key)


N_EVENTS = 12


def fill(house: House) -> None:
    """Chain 0751: twelve events, signed at 4, 8 and 12; the personal parts of 2 and 5 erased by event 9."""
    for number in range(1, N_EVENTS + 1):
        if number == 9:
            person.erase(house.settings, "borte", "opbevaring 5 år")
        else:
            audit.record(
                house.settings,
                chain="0751",
                type="run.ended" if number % 3 == 0 else "login.succeeded",
                actor="borte" if number in (2, 5) else None if number % 3 == 0 else f"konto-{number % 2}",
                subject=f"run-{number}",
                details={"n": number, "tekst": 'æøå "\\ \t'},
                personal={"address": f"10.0.0.{number}"} if number % 3 else None,
            )
        if number % 4 == 0:
            house.sign()
    audit.record(house.settings, chain="0461", type="logout", actor="konto-9")
    house.sign()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = build(tmp_path / "home")
    yield made
    database.engine(made.settings).dispose()


@pytest.fixture(scope="session")
def full_house(tmp_path_factory: pytest.TempPathFactory) -> House:
    made = build(tmp_path_factory.mktemp("full"))
    fill(made)
    database.engine(made.settings).dispose()
    return made


@pytest.fixture(scope="session")
def fresh(full_house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], House]]:
    """A function that gives the full house anew, for tests that spoil it many times."""
    home = tmp_path_factory.mktemp("fresh")
    copy = House(make_settings(home), full_house.key)

    def renew() -> House:
        database.engine(copy.settings).dispose()
        shutil.rmtree(home)
        shutil.copytree(full_house.settings.home, home)
        return copy

    yield renew
    database.engine(copy.settings).dispose()
