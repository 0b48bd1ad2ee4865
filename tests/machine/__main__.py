"""Prepare this machine for the tests and say what will not be run: ``python -m tests.machine``."""

import os
import sys

from tests.machine import packages
from tests.machine.engine import Engine


def main() -> int:
    refused = packages.install(print)
    engine = Engine()
    without = []
    if reason := engine.start():
        without.append(f"tests med Docker ({refused or reason})")
    engine.stop()
    if packages.chromium() is None:
        without.append(f"tests med Chromium ({refused or 'Chromium er ikke installeret'})")
    for line in without:
        print(f"Køres ikke: {line}")
    if not without:
        print("Maskinen har alt, hvad testene kræver.")
    return 1 if without and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
