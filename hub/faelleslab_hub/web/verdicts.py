"""The verdict on a chain beside its events: made when a page is shown, at most one at a time per chain."""

import threading
import time
from collections import defaultdict

from faelleslab.errors import FaelleslabError
from faelleslab_hub.audit import checkpoint
from faelleslab_hub.audit.findings import Verdict
from faelleslab_hub.audit.verify import quiet, verify_chain
from faelleslab_hub.settings import Settings

# Longer chains are verified when someone asks for it, not at each look.
LONGEST_AT_ONCE = 50_000
_GOOD_FOR_S = 30.0


class Verdicts:
    """Verifies chains and remembers the verdict for half a minute."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[str, tuple[float, Verdict]] = {}
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def give(self, chain: str, *, n_events: int, anew: bool = False) -> Verdict | FaelleslabError | None:
        """Give the verdict, or what stood in its way; None when a long chain was not asked about.

        Parameters
        ----------
        chain : str
        n_events : int
            How long the chain is.
        anew : bool
            Verify even when the last verdict is fresh or the chain is long.
        """
        with self._locks[chain]:
            made_at, known = self._known.get(chain, (0.0, None))
            if known is not None and not anew and time.monotonic() - made_at < _GOOD_FOR_S:
                return known
            if n_events > LONGEST_AT_ONCE and not anew:
                return known
            try:
                key_path = self._settings.checkpoints / "public-key.pem"
                signed = checkpoint.path_of(self._settings, chain).exists()
                key = checkpoint.public_key(key_path) if signed else None
                verdict = verify_chain(self._settings, chain, key, quiet)
            except FaelleslabError as error:
                return error
            self._known[chain] = (time.monotonic(), verdict)
            return verdict
