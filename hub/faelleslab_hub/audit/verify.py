"""Verify a chain: walk its links and its signed checkpoints side by side, and say what does not fit, and where.

`ChainVerifier` knows nothing of where links come from, so the database and an exported file are verified by the same
code. Memory is constant: a few hundred suspicious links, never the chain.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations, islice

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from faelleslab_hub import database
from faelleslab_hub.audit import canonical, checkpoint, links
from faelleslab_hub.audit.checkpoint import Checkpoint
from faelleslab_hub.audit.findings import Kind, Verdict
from faelleslab_hub.audit.links import Erased, Link
from faelleslab_hub.audit.models import Chain
from faelleslab_hub.settings import Settings

# Which of the altered events are merely swapped is found by trying each in each other's place.
_MOST_SWAPPED = 200
_PROGRESS_AFTER_S = 2.0
_PROGRESS_EVERY = 1000

Progress = Callable[[str, int], None]


class ChainVerifier:
    """Takes a chain's links and checkpoints in order and gathers the findings."""

    def __init__(self, chain: str, key: Ed25519PublicKey | None, erased: Erased, *, personal: bool = True) -> None:
        self.verdict = Verdict(chain, personal_checked=personal)
        self._key = key
        self._erased = erased
        self._next = 1
        self._last: Link | None = None
        self._last_suspect = False
        self._mismatched: list[Link] = []
        self._checkpoint: Checkpoint | None = None
        self._signed_seq = 0
        self._diverged = False
        self._missing_until = 0
        self._resumed: Checkpoint | None = None

    def event(self, link: Link) -> None:
        """Take the next link."""
        verdict = self.verdict
        verdict.n_events += 1
        if link.seq < self._next:
            # Only a file can do this; the database keeps one event per number, in order.
            verdict.add(Kind.REORDERED, link.seq)
            return
        gap = link.seq > self._next
        if gap:
            verdict.add(Kind.REMOVED, self._next, link.seq - 1)
        suspect = link.computed_hash() != link.hash
        if suspect:
            self._suspect(link)
        elif not gap and not self._last_suspect and link.prev_hash != self._previous_hash:
            # The hashes fit each event by itself: one of the two neighbours was changed and its own hash recomputed.
            # A checkpoint on the earlier one clears it; otherwise the later one still vouches for what it followed.
            cleared = self._last is None or self._signed_seq == self._last.seq
            verdict.add(Kind.ALTERED, link.seq if cleared else link.seq - 1)
        if not suspect:
            self._personal(link)
        self._last, self._last_suspect, self._next = link, suspect, link.seq + 1
        if self._resumed and link.seq == self._resumed.seq:
            self._compare(self._resumed)

    def checkpoint(self, line: str) -> None:
        """Take the next checkpoint line: after the event it speaks of, and after all events when that is missing."""
        verdict = self.verdict
        found = checkpoint.parse(line)
        expected = self._checkpoint.number + 1 if self._checkpoint else 1
        if (
            found is None
            or self._key is None
            or found.chain != verdict.chain
            or found.number < expected
            or not found.signed_by(self._key)
        ):
            verdict.add(Kind.CHECKPOINT_FORGED, found.number if found else expected)
            return
        if found.number > expected:
            verdict.add(Kind.CHECKPOINT_REMOVED, expected, found.number - 1)
        elif found.prev != (self._checkpoint.digest if self._checkpoint else canonical.GENESIS):
            verdict.add(Kind.CHECKPOINT_FORGED, found.number)
        self._checkpoint = found
        verdict.n_checkpoints += 1
        self._compare(found)

    def finish(self, head: Chain | None, *, has_head: bool = True) -> Verdict:
        """Compare the end with the head row and give the verdict; an export has no head row."""
        self._tell_swapped()
        verdict, last = self.verdict, self._last
        last_seq = last.seq if last else self._next - 1
        head_seq = head.seq if head else 0
        if max(head_seq, self._missing_until) > last_seq:
            verdict.add(Kind.CUT_OFF, last_seq + 1, max(head_seq, self._missing_until))
        elif has_head and last is not None:
            if head is None:
                verdict.add(Kind.HEAD, last.seq)
            elif head_seq < last.seq:
                verdict.add(Kind.INSERTED, head_seq + 1, last.seq)
            elif head.hash != last.hash and not self._last_suspect:
                verdict.add(Kind.HEAD if self._signed_seq == last.seq else Kind.ALTERED, last.seq)
        n_checkpoints = self._checkpoint.number if self._checkpoint else 0
        if head and head.checkpoint_number > n_checkpoints:
            verdict.add(Kind.CHECKPOINT_REMOVED, n_checkpoints + 1, head.checkpoint_number)
        elif head and n_checkpoints > head.checkpoint_number + 1:
            # The broker notes a checkpoint just after writing it: one ahead is a power cut, two are not.
            verdict.add(Kind.HEAD, head.seq)
        verdict.signed_seq = self._signed_seq
        return verdict.in_order()

    def resume(self, signed: Checkpoint) -> None:
        """Begin at the event of a checkpoint: what lies before it is vouched for already."""
        self._checkpoint = self._resumed = signed
        self._next = self._missing_until = signed.seq
        self._signed_seq = signed.seq - 1
        # What the first event follows is not read here.
        self._last_suspect = True

    @property
    def _previous_hash(self) -> str:
        return self._last.hash if self._last else canonical.GENESIS

    def _suspect(self, link: Link) -> None:
        if len(self._mismatched) < _MOST_SWAPPED:
            self._mismatched.append(link)
        else:
            self.verdict.add(Kind.ALTERED, link.seq)

    def _tell_swapped(self) -> None:
        swapped: set[int] = set()
        for one, other in combinations(self._mismatched, 2):
            if one.computed_hash(other.seq) == one.hash or other.computed_hash(one.seq) == other.hash:
                swapped |= {one.seq, other.seq}
        for link in self._mismatched:
            self.verdict.add(Kind.REORDERED if link.seq in swapped else Kind.ALTERED, link.seq)

    def _compare(self, found: Checkpoint) -> None:
        last = self._last
        if last is None or found.seq > last.seq:
            self._missing_until = max(self._missing_until, found.seq)
        elif found.seq == last.seq:
            if found.hash == last.hash:
                self._signed_seq = found.seq
            elif not self._last_suspect and not self._diverged:
                # From the first event that differs every later hash does: one finding says it all.
                self._diverged = True
                self.verdict.add(Kind.RECOMPUTED, self._signed_seq + 1, found.seq)

    def _personal(self, link: Link) -> None:
        verdict = self.verdict
        if not verdict.personal_checked:
            return
        erased = self._erased.covers(link.seq)
        if link.content is None and link.salt is None:
            if link.personal_hash is None:
                return
            if erased:
                verdict.n_erased += 1
            else:
                verdict.add(Kind.PERSONAL_REMOVED, link.seq)
            return
        try:
            fits = canonical.personal_hash(link.salt or "", link.content or "") == link.personal_hash
        except ValueError:
            fits = False
        if not fits:
            verdict.add(Kind.PERSONAL_ALTERED, link.seq)
        elif erased:
            verdict.add(Kind.PERSONAL_RETURNED, link.seq)


def interleave(chain_links: Iterable[Link], checkpoint_lines: Iterable[str]) -> Iterator[Link | str]:
    """Give each checkpoint line after the event it speaks of; both inputs are read once, in order."""
    waiting = iter(checkpoint_lines)
    line = next(waiting, None)
    for link in chain_links:
        yield link
        while line is not None and ((found := checkpoint.parse(line)) is None or found.seq <= link.seq):
            yield line
            line = next(waiting, None)
    while line is not None:
        yield line
        line = next(waiting, None)


def verify_chain(settings: Settings, chain: str, key: Ed25519PublicKey | None, progress: Progress) -> Verdict:
    """Verify one chain of the database against its checkpoint file."""
    path = checkpoint.path_of(settings, chain)
    # The broker goes on signing meanwhile. Only checkpoints that were there before the database's state was fixed, or
    # that this state knows of, speak of events in it; a later one would look like a cut-off tail.
    n_lines = sum(1 for _ in checkpoint.lines(path))
    with database.session(settings, read_only=True) as session:
        head = links.head(session, chain)
        n_lines = max(n_lines, head.checkpoint_number if head else 0)
        verifier = ChainVerifier(chain, key, Erased(links.erasures(session, chain)))
        known = islice(checkpoint.lines(path), n_lines)
        walk(verifier, interleave(links.read(session, chain), known), progress)
        return verifier.finish(head)


def verify_all(settings: Settings, key: Ed25519PublicKey | None, progress: Progress) -> Iterator[Verdict]:
    """Verify every chain there is."""
    for chain in sorted(chains(settings)):
        yield verify_chain(settings, chain, key, progress)


def chains(settings: Settings) -> set[str]:
    """List the chains of which there is an event, a head or a checkpoint."""
    with database.session(settings, read_only=True) as session:
        return links.chains(session) | {path.stem for path in settings.checkpoints.glob("*.jsonl")}


def walk(verifier: ChainVerifier, items: Iterable[Link | str], progress: Progress) -> None:
    """Give links and checkpoint lines to the verifier, reporting the way."""
    for n, item in enumerate(items, start=1):
        if isinstance(item, str):
            verifier.checkpoint(item)
        else:
            verifier.event(item)
        if n % _PROGRESS_EVERY == 0:
            progress(verifier.verdict.chain, verifier.verdict.n_events)


def show_progress() -> Progress:
    """Make a progress line on stderr that appears after two seconds and then once a second."""
    started = shown = time.monotonic()

    def show(chain: str, n_events: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - started > _PROGRESS_AFTER_S and now - shown > 1:
            shown = now
            print(f"  {chain}: {n_events} hændelser læst …", file=sys.stderr)

    return show


def quiet(_chain: str, _n_events: int) -> None:
    """Show no progress."""
