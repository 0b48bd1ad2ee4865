"""Pytest plugin: tests that need Docker, Chromium or PostgreSQL run, or are named in a list; with CI=true they fail."""

import os
from collections import Counter

import pytest

from tests.machine import packages
from tests.machine.engine import Engine

MARKERS = {"docker": "Docker", "browser": "Chromium", "postgres": "PostgreSQL"}


class Needs:
    """Looks at the collected tests, prepares what they need, and remembers what could not be had."""

    def __init__(self, *, may_install: bool) -> None:
        self._may_install = may_install
        self._engine = Engine()
        self._reasons: dict[str, str] = {}
        self._not_run: Counter[str] = Counter()

    # Last: after -m and -k have taken away what is not asked for, so that unit tests never start an engine.
    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Prepare the machine for what was collected."""
        wanted = {name for name in MARKERS for item in items if item.get_closest_marker(name)}
        if not wanted or config.option.collectonly:
            return
        refused = packages.install(_say) if self._may_install else None
        if "docker" in wanted and (reason := self._engine.start()):
            self._reasons["docker"] = refused or reason
        if "browser" in wanted and packages.chromium() is None:
            self._reasons["browser"] = refused or "Chromium er ikke installeret"
        if "postgres" in wanted and packages.postgres() is None:
            self._reasons["postgres"] = refused or "PostgreSQL er ikke installeret"

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip with the reason; fail where a missing part must not pass unnoticed."""
        for name, reason in self._reasons.items():
            if item.get_closest_marker(name):
                self._not_run[f"{os.path.relpath(item.path, item.config.rootpath)} ({MARKERS[name]}: {reason})"] += 1
                if os.environ.get("CI") == "true":
                    pytest.fail(f"{MARKERS[name]}: {reason}", pytrace=False)
                pytest.skip(reason)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say in one list what was not run."""
        if self._not_run:
            terminalreporter.section("Ikke kørt")
            for line, count in sorted(self._not_run.items()):
                terminalreporter.write_line(f"Ikke kørt: {count} i {line}")

    def pytest_unconfigure(self) -> None:
        """Stop the engine that was started for the tests."""
        self._engine.stop()


def _say(text: str) -> None:
    print(text, flush=True)
