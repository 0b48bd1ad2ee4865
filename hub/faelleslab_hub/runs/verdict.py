"""How a run ended, told from signs none of which is believed alone.

The signs: the exit code, the engine's out-of-memory flag, the runner's own result file, whether we told it to stop,
and whether it is still there at all. Success needs exit code 0, no out-of-memory flag and a result that says so;
whatever disagrees is a failure.
"""

from dataclasses import dataclass

from faelleslab_hub.runs.result import RunResult
from faelleslab_hub.runs.states import EXIT_CODES, MESSAGES, Reason
from faelleslab_hub.runs.untrusted import plain

_LONGEST_MESSAGE = 600
# Exit codes that mean a signal ended the process: 128 + signal from a shell or Docker, -signal from our own child.
_SIGNALLED = frozenset(range(129, 160))


@dataclass(frozen=True)
class Ended:
    """What is left of a run's process or container.

    ``exit_code`` is None when nobody knows it; ``lost`` says that process or container vanished without a trace of
    its end.
    """

    exit_code: int | None = None
    out_of_memory: bool = False
    lost: bool = False
    alone: bool = False


@dataclass(frozen=True)
class Verdict:
    """The terminal state of a run: success when ``reason`` is None."""

    reason: Reason | None
    message: str

    @property
    def exit_code(self) -> int:
        """The exit code the user's command ends with."""
        return EXIT_CODES[self.reason]


def judge(ended: Ended, result: RunResult | None, stopping: Reason | None = None) -> Verdict:
    """Decide how a run ended.

    Parameters
    ----------
    ended : Ended
        What is left of process or container.
    result : RunResult or None
        The validated result file; None when there is no valid one.
    stopping : Reason or None
        Why we told the run to stop, if we did.
    """
    reason = _reason(ended, result, stopping)
    told = result.message if result and result.reason == reason and result.message else ""
    return Verdict(reason, plain(told, _LONGEST_MESSAGE) or MESSAGES[reason])


def _reason(ended: Ended, result: RunResult | None, stopping: Reason | None) -> Reason | None:
    claimed = None if result is None or result.reason is None else Reason(result.reason)
    success = result is not None and result.state == "SUCCEEDED" and result.reason is None and result.exit_code == 0
    if ended.out_of_memory or (ended.alone and result is not None and result.memory_kills):
        return Reason.OUT_OF_MEMORY
    # A run that finished just before we stopped it has finished.
    if success and ended.exit_code == 0 and not ended.lost:
        return None
    if stopping is not None:
        return stopping
    if ended.lost or ended.exit_code is None:
        return Reason.LOST
    if claimed is not None and not success and ended.exit_code == EXIT_CODES[claimed]:
        return claimed
    if ended.exit_code < 0 or ended.exit_code in _SIGNALLED:
        return Reason.KERNEL_DIED
    return Reason.INTERNAL_ERROR
