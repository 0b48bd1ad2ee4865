"""``python -m tests.integration.dying placer|inspector STEP``: a real process that is killed at an exact step.

STEP is ``after-<name>`` or ``before-<name>`` of `_STEPS` (killed at the first call), or ``never:no-lock``.
"""

import contextlib
import logging
import os
import signal
import sys
from typing import Any

from faelleslab_hub.placer import collect
from faelleslab_hub.placer.local import LocalRunner
from faelleslab_hub.runs import inspections, presence, result, store
from faelleslab_hub.settings import Settings


def _steps() -> dict[str, tuple[Any, str]]:
    steps: dict[str, tuple[Any, str]] = {
        "place": (inspections, "place"),
        "answered": (inspections, "answered"),
        "accept": (store, "accept"),
        "claim": (store, "claim"),
        "read": (result, "read"),
        "seal": (collect, "seal"),
        "finish": (store, "finish"),
    }
    runners: list[Any] = [LocalRunner]
    if os.environ.get("FAELLESLAB_MODE") == "docker":
        from faelleslab_hub.placer.container import DockerRunner

        runners = [DockerRunner]
    steps["start"] = (runners[0], "start")
    steps["remove"] = (runners[0], "remove")
    return steps


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _prepare(step: str) -> None:
    when, _, rest = step.partition("-")
    # "start/run": only when the task is a run.
    name, _, kind = rest.partition("/")
    owner, attribute = _steps()[name]
    whole = getattr(owner, attribute)

    def deadly(*args: Any, **kwargs: Any) -> Any:
        mine = not kind or getattr(args[1], "kind", "") == kind
        if when == "before" and mine:
            _die()
        found = whole(*args, **kwargs)
        if mine:
            _die()
        return found

    setattr(owner, attribute, deadly)


@contextlib.contextmanager
def _no_lock(*_: Any) -> Any:
    yield True


def main() -> int:
    name, step = sys.argv[1:]
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    if step == "never:no-lock":
        presence.hold = _no_lock
    else:
        _prepare(step)
    if name == "placer":
        from faelleslab_hub.placer import main as process
    else:
        from faelleslab_hub.inspector import main as process
    return process(Settings.from_environment())


if __name__ == "__main__":
    sys.exit(main())
