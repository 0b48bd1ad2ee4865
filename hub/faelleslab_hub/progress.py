"""Progress on a terminal: one line that is rewritten while a step runs; elsewhere one line per finished step."""

import sys
import time

_BAR_WIDTH = 16


class Progress:
    """Counted steps with a bar and elapsed time.

    Parameters
    ----------
    total : int
        How many steps there are in all.
    """

    def __init__(self, total: int) -> None:
        self._total, self._done, self._label = total, 0, ""
        self._live, self._shown = sys.stdout.isatty(), ""
        self._began = time.monotonic()

    def begin(self, label: str) -> None:
        """Say what is being done now."""
        self._finish()
        self._label = label
        self.detail(0, 1, "")

    def detail(self, done: int, total: int, name: str) -> None:
        """Say how far the step is, e.g. which of six processes is being waited for."""
        if self._live:
            share = (self._done + done / max(total, 1)) / self._total
            filled = int(share * _BAR_WIDTH)
            bar = "█" * filled + "░" * (_BAR_WIDTH - filled)
            text = f"{self._label}: {name}" if name else self._label
            line = f"{bar} {100 * share:3.0f} %  {text} …"
            if line != self._shown:
                self._shown = line
                sys.stdout.write(f"\r\x1b[K{line}")
                sys.stdout.flush()

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self._shown = ""
        if self._live:
            sys.stdout.write("\r\x1b[K")
        print(text, flush=True)

    def end(self) -> None:
        """Take the bar away."""
        self._finish()
        if self._live:
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()

    def _finish(self) -> None:
        if self._label:
            self._done += 1
            if not self._live:
                seconds = time.monotonic() - self._began
                print(f"[{self._done}/{self._total}] {self._label} ({seconds:.0f} s)", flush=True)
            self._label = ""
