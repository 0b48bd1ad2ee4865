"""Signed checkpoints: what the broker vouches for, kept outside the database.

One file per chain, one JSON object per line (canonical, see `canonical`): chain, hash (of the event), number (from 1,
without gaps), prev (SHA-256 of the line before, 64 zeros for the first), seq (of the event), time, version (1), and
signature: Ed25519, in hexadecimal, over the canonical object without the signature.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from faelleslab.errors import AuditError, ConfigurationError
from faelleslab_hub.audit import canonical
from faelleslab_hub.settings import Settings

_LONGEST_LINE = 4096


@dataclass(frozen=True)
class Checkpoint:
    """The signed statement that event ``seq`` of a chain had this hash."""

    chain: str
    hash: str
    number: int
    prev: str
    seq: int
    time: str
    signature: str = ""
    version: int = 1

    @property
    def line(self) -> str:
        """The checkpoint as it stands in the file."""
        return canonical.encode(asdict(self))

    @property
    def digest(self) -> str:
        """What the next checkpoint's ``prev`` must be."""
        return hashlib.sha256(self.line.encode()).hexdigest()

    def signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether the signature is this key's."""
        try:
            key.verify(bytes.fromhex(self.signature), self._body())
        except (InvalidSignature, ValueError):
            return False
        return True

    def sign(self, key: Ed25519PrivateKey) -> "Checkpoint":
        """Give the same checkpoint with a signature."""
        return replace(self, signature=key.sign(self._body()).hex())

    def _body(self) -> bytes:
        body = asdict(self)
        del body["signature"]
        return canonical.encode(body).encode()


def following(last: Checkpoint | None, chain: str, seq: int, event_hash: str) -> Checkpoint:
    """Make the next checkpoint of a chain, still without signature."""
    return Checkpoint(
        chain=chain,
        hash=event_hash,
        number=last.number + 1 if last else 1,
        prev=last.digest if last else canonical.GENESIS,
        seq=seq,
        time=canonical.timestamp(datetime.now(UTC)),
    )


def parse(line: str) -> Checkpoint | None:
    """Read one line; None when it is not exactly what `Checkpoint.line` writes."""
    try:
        values = json.loads(line)
        made = Checkpoint(**values)
        numbers = (made.number, made.seq, made.version)
        well_formed = all(type(number) is int and number > 0 for number in numbers) and made.line == line
    except (ValueError, TypeError, RecursionError):
        return None
    return made if well_formed else None


def path_of(settings: Settings, chain: str) -> Path:
    """Where the checkpoints of a chain lie."""
    return settings.checkpoints / f"{chain}.jsonl"


def lines(path: Path) -> Iterator[str]:
    """Read the lines of a checkpoint file, one at a time; none when the file is missing.

    A last line without its line break was torn by a power cut while being written and does not count: the database
    knows how many checkpoints there must be.
    """
    try:
        file = path.open(encoding="utf-8", errors="replace", newline="\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise AuditError("FL-A004", f"Kontrolpunkterne i {path} kan ikke læses ({error.strerror}).") from None
    with file:
        while line := file.readline(_LONGEST_LINE):
            if line.endswith("\n"):
                yield line[:-1]
            elif len(line) == _LONGEST_LINE:
                yield line


def last_line(path: Path) -> str | None:
    """Read the last whole line; None when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 2 * _LONGEST_LINE))
            found = file.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return None
    return found[-1].decode("utf-8", "replace") if found else None


def append(descriptor: int, checkpoint: Checkpoint) -> None:
    """Write one line at the end of an open file and force it to disk; a torn last line is taken away first."""
    size = os.fstat(descriptor).st_size
    whole = size
    while whole and os.pread(descriptor, 1, whole - 1) != b"\n":
        whole -= 1
    if whole != size:
        os.ftruncate(descriptor, whole)
    data = (checkpoint.line + "\n").encode()
    if os.write(descriptor, data) != len(data):
        message = "a checkpoint was not written whole"
        raise OSError(message)
    os.fsync(descriptor)


def public_key(path: Path) -> Ed25519PublicKey:
    """Read the public key; raises `ConfigurationError` FL-K210 when it is missing or no Ed25519 key."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            "FL-K210",
            f"Kontrolpunkternes offentlige nøgle {path} kan ikke læses ({error.strerror}).",
            remedy="kør 'faelleslab-hub secrets create', eller angiv nøglen med --public-key.",
        ) from None
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError("FL-K210", f"{path} er ikke en offentlig Ed25519-nøgle.", remedy="angiv den rigtige.")
    return key


def private_key(text: str) -> Ed25519PrivateKey:
    """Read the broker's key from its secret's text; raises `ConfigurationError` FL-K211 when it is no Ed25519 key."""
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            "FL-K211",
            "Hemmeligheden broker/checkpoint-key er ikke en Ed25519-nøgle.",
            remedy="gendan den fra sikkerhedskopien.",
        )
    return key
