"""Decides why a run ended: a pure function of what was seen, so that each ending can be told apart in a test."""

import signal

from faelleslab.jobs.supervisor import Ending


def reason_of(
    ending: Ending, *, error_memory: bool | None, all_done: bool, group_kill: bool = False, machine_kill: bool = False
) -> str | None:
    """Return the reason of `faelleslab.jobs.result`, or None for a success.

    Parameters
    ----------
    ending : Ending
        How the child ended.
    error_memory : bool or None
        None when no cell failed; else whether its error was a `MemoryError`.
    all_done : bool
        Every cell was seen to end well.
    group_kill, machine_kill : bool
        The kernel killed for want of memory during the run: in this process's group, or anywhere on the machine.
        The latter is believed only when the child itself was killed, since it may have been somebody else's.
    """
    if ending.stopped:
        return ending.stopped
    killed = ending.exit_code == -signal.SIGKILL
    if killed and (group_kill or machine_kill):
        return "OUT_OF_MEMORY"
    if not ending.ready:
        return "INTERNAL_ERROR"
    if not ending.finished or ending.exit_code != 0:
        return "KERNEL_DIED"
    if error_memory is not None:
        return "OUT_OF_MEMORY" if error_memory or group_kill else "CELL_FAILED"
    return None if all_done else "INTERNAL_ERROR"


def detail_of(reason: str | None, ending: Ending, timeout_s: float | None) -> str:
    """Return a safe Danish half sentence for the message: a signal, an exit code, a limit."""
    if reason == "TIMED_OUT" and timeout_s is not None:
        return f"{timeout_s:g} sekunder".replace(".", ",")
    if reason == "KERNEL_DIED":
        if ending.exit_code < 0:
            try:
                return f"signal {signal.Signals(-ending.exit_code).name}"
            except ValueError:
                return f"signal {-ending.exit_code}"
        return f"afslutningskode {ending.exit_code} uden at være færdig"
    if reason == "INTERNAL_ERROR" and not ending.ready:
        return "Python-processen kunne ikke starte; se start.log i kørslens mappe"
    return ""
