"""The placer's process: one loop that looks at the rows and at what is running, and moves both on.

It sleeps until a task ends, until it is woken by a new row, or a second at most. Everything it knows beyond the rows
can be found again, so it may be killed at any point; an unexpected error ends it, and the next placer goes on.
"""

import logging
import os
import secrets
import signal
from pathlib import Path
from types import FrameType

from faelleslab.errors import ConfigurationError
from faelleslab_hub.placer.placing import Placer
from faelleslab_hub.placer.runner import Runner, RunnerUnavailable
from faelleslab_hub.runs import presence
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import Tenants

NAME = "placer"
log = logging.getLogger("faelleslab.placer")
_IDLE_S = 1.0
# After the engine or the database failed us, and while another placer is at work.
_BACK_OFF_S = 2.0


class Stopped:
    """Set by SIGTERM or SIGINT; the loop ends at its next turn, and what runs goes on running."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self.is_set = False
        signal.signal(signal.SIGTERM, self._set)
        signal.signal(signal.SIGINT, self._set)

    def _set(self, _number: int, _frame: FrameType | None) -> None:
        self.is_set = True
        presence.wake(self._settings, self._name)


def serve(settings: Settings) -> int:
    """Run the loop until told to stop."""
    bell = presence.Doorbell(settings, NAME)
    stopped = Stopped(settings, NAME)

    def keep_waiting() -> bool:
        bell.wait(_BACK_OFF_S)
        return not stopped.is_set

    with presence.hold(settings, NAME, keep_waiting) as held:
        if not held:
            return 0
        tenants = Tenants.load(settings.config)
        placer = Placer(settings, tenants, make_runner(settings, tenants), token=secrets.token_hex(16), boot=boot_id())
        log.info("at work (%s)", settings.mode)
        recovered, ready = False, frozenset[int]()
        while not stopped.is_set:
            try:
                if not recovered:
                    placer.recover()
                    recovered = True
                placer.turn(ready)
            except RunnerUnavailable as error:
                log.warning("the engine does not do as asked, trying again: %s", error)
                bell.wait(_BACK_OFF_S)
            except ConfigurationError as error:
                # The database for a moment out of reach; a wrong set-up is as well only mended from outside.
                log.warning("%s", error)
                bell.wait(_BACK_OFF_S)
            else:
                ready = bell.wait(min(_IDLE_S, placer.next_look_s()), placer.watched())
        log.info("stopped; %d task(s) go on by themselves", len(placer.active))
    bell.close()
    return 0


def make_runner(settings: Settings, tenants: Tenants) -> Runner:
    """Give the runner of this installation's mode."""
    if settings.mode == "embedded":
        from faelleslab_hub.placer.local import LocalRunner

        return LocalRunner(settings)
    from faelleslab_hub import engine, networks
    from faelleslab_hub.placer.container import DockerRunner

    client = engine.connect()
    networks.ensure(client, tenants)
    return DockerRunner(settings, client)


def boot_id() -> str:
    """Name this boot of the machine; the same for everybody on it until it starts anew."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"unknown-{os.uname().nodename}"
