"""The inspector's process: judge each answer once; one transaction makes the run eligible or ends it."""

import logging

from faelleslab.errors import ConfigurationError
from faelleslab_hub.inspector.judging import judge
from faelleslab_hub.placer.app import Stopped
from faelleslab_hub.runs import inspections, presence, store
from faelleslab_hub.settings import Settings

NAME = "inspector"
log = logging.getLogger("faelleslab.inspector")
_IDLE_S = 1.0
_BACK_OFF_S = 2.0


def serve(settings: Settings) -> int:
    """Run the loop until told to stop."""
    bell = presence.Doorbell(settings, NAME)
    stopped = Stopped(settings, NAME)

    def keep_waiting() -> bool:
        bell.wait(_BACK_OFF_S)
        return not stopped.is_set

    with presence.hold(settings, NAME, keep_waiting) as held:
        if held:
            log.info("at work")
        while held and not stopped.is_set:
            try:
                if not turn(settings):
                    bell.wait(_IDLE_S)
            except ConfigurationError as error:
                log.warning("%s", error)
                bell.wait(_BACK_OFF_S)
    bell.close()
    return 0


def turn(settings: Settings) -> int:
    """Judge what is answered now; gives how many."""
    answered = inspections.to_judge(settings)
    for inspection, run in answered:
        found = judge(inspection, run)
        if found.reason is None:
            store.accept(settings, run, found.parameters)
            presence.wake(settings, "placer")
        else:
            log.info("run %s refused: %s", run.id, found.code)
            store.refuse(settings, run, found.reason, found.message, code=found.code)
    return len(answered)
