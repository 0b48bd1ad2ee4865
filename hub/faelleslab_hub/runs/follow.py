"""Follow a run from the command line: what stage it is in, which cell it is at, and how it ended."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from faelleslab.errors import RunError
from faelleslab_hub.runs import presence, store
from faelleslab_hub.runs.models import Run
from faelleslab_hub.runs.states import Stage
from faelleslab_hub.runs.untrusted import plain, read_regular
from faelleslab_hub.settings import Settings

_POLL_S = 0.1
# A process that is restarted by its supervisor is back before this.
_ABSENT_S = 15.0
_STAGES = {
    Stage.INSPECTING: "Notesbogen kontrolleres",
    Stage.WAITING: "Kørslen venter på en plads",
    Stage.EXECUTING: "Kørslen er i gang",
}
_NEEDED = {Stage.INSPECTING: ("placer", "inspector"), Stage.WAITING: ("placer",), Stage.EXECUTING: ("placer",)}


def follow(settings: Settings, run_id: str, say: Callable[[str], None]) -> Run:
    """Wait for a run's end and tell on the way; gives the ended run.

    Parameters
    ----------
    settings : Settings
        Where the installation lives.
    run_id : str
        The run.
    say : callable
        Gets each new line of progress.

    Raises
    ------
    RunError
        FL-R105 when a process the run needs stays away; the run itself is kept and goes on when it is back.
    """
    last, absent_since = "", None
    while True:
        run = store.get(settings, run_id)
        if run is None:
            raise RunError("FL-R106", f"Kørslen {run_id} findes ikke.", remedy="se efter kørslens nummer.")
        stage = Stage(run.stage)
        if stage is Stage.ENDED:
            return run
        line = _STAGES[stage] + (_cells(settings, run) if stage is Stage.EXECUTING else "")
        if line != last:
            say(line)
            last = line
        away = [name for name in _NEEDED[stage] if not presence.is_alive(settings, name)]
        if not away:
            absent_since = None
        elif absent_since is None:
            absent_since = time.monotonic()
        elif time.monotonic() - absent_since > _ABSENT_S:
            raise not_at_work(away, run_id)
        time.sleep(_POLL_S)


def not_at_work(names: list[str], run_id: str = "") -> RunError:
    """Give the error for processes that should be there and are not."""
    kept = f"Kørslen {run_id} er gemt og fortsætter, når de er i gang igen." if run_id else ""
    return RunError(
        "FL-R105",
        f"Arbejdsbordet kører ikke: {' og '.join(names)} er ikke i gang.",
        rule=kept,
        remedy="start det med 'make demo' eller 'make up' (eller systemctl start), og prøv igen.",
    )


def report(settings: Settings, run: Run) -> Path | None:
    """Give the path of a run's report, when it left one."""
    path = settings.run_folder(run.tenant, run.id) / "output" / f"{Path(run.notebook).stem}.html"
    return path if path.is_file() and not path.is_symlink() else None


def _cells(settings: Settings, run: Run) -> str:
    content = read_regular(settings.run_folder(run.tenant, run.id) / "control" / "progress.json", 64 * 2**10)
    try:
        found = json.loads(content or b"null")
        done, of = found["cell"], found["cells"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    if type(done) is not int or type(of) is not int:
        return ""
    label = found.get("label")
    return f": celle {done} af {of}" + (f" ({plain(label, 60)})" if isinstance(label, str) and label else "")
