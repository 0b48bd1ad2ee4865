"""Sign the heads of the chains: the broker's part of the promise.

A checkpoint is only signed when the events since the last one extend it; otherwise the chain gets no more checkpoints
until someone has looked, and the stop is itself an event in the operator's chain. The file is written and on disk
before the database notes its number, so a power cut leaves at most one checkpoint more than noted, never one less.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from faelleslab.errors import AuditError, ConfigurationError
from faelleslab_hub import database
from faelleslab_hub.audit import chain as audit_chain
from faelleslab_hub.audit import checkpoint, links
from faelleslab_hub.audit.checkpoint import Checkpoint
from faelleslab_hub.audit.findings import Finding, Kind
from faelleslab_hub.audit.links import Erased
from faelleslab_hub.audit.models import Chain
from faelleslab_hub.audit.verify import ChainVerifier
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import OPERATION

_log = logging.getLogger(__name__)


class Signer:
    """Signs what has moved; several may run at once (the broker and `audit checkpoint`).

    Parameters
    ----------
    settings : Settings
    key : Ed25519PrivateKey
        The installation's checkpoint key; its public half must be the published one.

    Raises
    ------
    ConfigurationError
        FL-K210 when the published key is missing, FL-K212 when it is another key's.
    """

    def __init__(self, settings: Settings, key: Ed25519PrivateKey) -> None:
        self._settings = settings
        self._key = key
        self._public = key.public_key()
        # What stopped each chain; the operator restarts the broker when it is cleared up.
        self.stopped: dict[str, Finding] = {}
        self._signed: dict[str, int] = {}
        published = settings.checkpoints / "public-key.pem"
        if checkpoint.public_key(published).public_bytes_raw() != self._public.public_bytes_raw():
            raise ConfigurationError(
                "FL-K212",
                f"{published} hører ikke til hemmeligheden broker/checkpoint-key.",
                rule="den offentlige nøgle skal kunne efterprøve det, der underskrives.",
                remedy="find ud af, hvem der har skiftet den, og gendan den fra sikkerhedskopien.",
            )

    def sign_moved(self) -> list[Checkpoint]:
        """Sign the head of each chain that moved since its last checkpoint, and give the new checkpoints."""
        with database.session(self._settings, read_only=True) as session:
            heads = session.execute(sa.select(Chain.chain, Chain.seq)).all()
        moved = [name for name, seq in heads if seq != self._signed.get(name, 0) and name not in self.stopped]
        return [signed for name in moved if (signed := self._sign(name))]

    def _sign(self, name: str) -> Checkpoint | None:
        path = checkpoint.path_of(self._settings, name)
        with _locked(path) as descriptor:
            line = checkpoint.last_line(path)
            last = checkpoint.parse(line) if line is not None else None
            if line is not None and (last is None or last.chain != name or not last.signed_by(self._public)):
                self._stop(Finding(name, Kind.CHECKPOINT_FORGED, *([last.number if last else 0] * 2)))
                return None
            with database.session(self._settings, read_only=True) as session:
                head = links.head(session, name)
                verifier = ChainVerifier(name, self._public, Erased(()), personal=False)
                if last:
                    verifier.resume(last)
                for link in links.read(session, name, first=last.seq if last else 1):
                    verifier.event(link)
                verdict = verifier.finish(head)
            if head is None or not verdict.whole:
                self._stop(verdict.findings[0] if verdict.findings else Finding(name, Kind.CUT_OFF, 1, 1))
                return None
            new = None
            if last is None or head.seq > last.seq:
                last = new = checkpoint.following(last, name, head.seq, head.hash).sign(self._key)
                checkpoint.append(descriptor, new)
            self._note(name, last.number)
            self._signed[name] = last.seq
            return new

    def _note(self, name: str, number: int) -> None:
        with database.session(self._settings) as session:
            behind = sa.and_(Chain.chain == name, Chain.checkpoint_number < number)
            session.execute(sa.update(Chain).where(behind).values(checkpoint_number=number))

    def _stop(self, finding: Finding) -> None:
        self.stopped[finding.chain] = finding
        _log.error(
            "chain %s gets no more checkpoints: %s %d-%d", finding.chain, finding.kind.name, finding.first, finding.last
        )
        audit_chain.record(
            self._settings,
            chain=OPERATION,
            type="checkpoint.refused",
            details={
                "chain": finding.chain,
                "kind": finding.kind.name.lower(),
                "first": finding.first,
                "last": finding.last,
            },
        )


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        new = not os.path.lexists(path)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise AuditError("FL-A004", f"Kontrolpunkterne i {path} kan ikke skrives ({error.strerror}).") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if new:
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(folder)
            os.close(folder)
        yield descriptor
    except OSError as error:
        raise AuditError("FL-A004", f"Kontrolpunkterne i {path} kan ikke skrives ({error.strerror}).") from None
    finally:
        os.close(descriptor)
