"""Tasks as local processes: the embedded mode, without isolation.

Each task is a session of its own under a small shell that notes its process id and start time before the work begins
and its exit code after. So the work survives the placer's death and is found again, and a recycled process id is not
taken for it. Limits are those a plain user can set; an inspection gets narrow ones and an empty environment.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import faelleslab
from faelleslab_hub.placer.runner import FENCED, MAX_ANSWER_BYTES, PROGRESS, Status, Task
from faelleslab_hub.runs.untrusted import read_regular
from faelleslab_hub.runs.upload import GIVEN, PARAMETERS
from faelleslab_hub.runs.verdict import Ended
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import Tenant

# `ln` fails when the name exists, at once and for all: of two starts of one attempt only one goes on.
_LAUNCH = f"""
claim=$1; left=$2; limits=$3; shift 3
read -r stat < /proc/$$/stat
printf '%s\\n' "$stat" > "$claim.$$" || exit {FENCED}
ln "$claim.$$" "$claim" 2> /dev/null || {{ rm -f "$claim.$$"; exit {FENCED}; }}
rm -f "$claim.$$"
trap : TERM INT
(eval "$limits"; exec "$@")
code=$?
printf '%s\\n' "$code" > "$left.$$" && mv "$left.$$" "$left"
exit "$code"
"""
# By which every process of a task is known again, also one that left its process group.
_MARK = "FAELLESLAB_TASK"
_INSPECTION_LIMITS = "ulimit -c 0; ulimit -t 20; ulimit -d 524288; ulimit -f 1024; ulimit -n 64"


class LocalRunner:
    """Runs tasks as processes of the placer's own user."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def image(self, tenant: Tenant) -> str:
        """Say that there is no image."""
        return "embedded"

    def start(self, task: Task) -> None:
        """Start the task in a session of its own, unless it was started before."""
        control = task.control
        control.mkdir(exist_ok=True, mode=0o700)
        if task.name in self._children or self._claim(task).exists():
            return
        inspection = task.kind == "inspection"
        limits = _INSPECTION_LIMITS if inspection else f"ulimit -c 0; ulimit -d {task.tenant.memory_bytes // 1024}"
        log = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        out = os.open(control / f"{task.name}.out", log, 0o600)
        errors = os.open(control / f"{task.name}.log", log, 0o600)
        try:
            self._children[task.name] = subprocess.Popen(
                [
                    *("/bin/sh", "-c", _LAUNCH, "faelleslab-task"),
                    *(str(self._claim(task)), str(self._left(task)), limits),
                    *_command(task),
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                cwd=task.folder,
                env=_environment(task),
                start_new_session=True,
            )
        finally:
            os.close(out)
            os.close(errors)

    def look(self, task: Task) -> Status:
        """Say how the task stands."""
        child = self._children.get(task.name)
        if child is not None and child.poll() is None:
            return "running"
        claimed = self._identity(task)
        if claimed is None:
            if child is None:
                return "absent"
            return Ended(exit_code=child.returncode)
        if _start_time(claimed[0]) == claimed[1]:
            return "running"
        code = read_regular(self._left(task), 16)
        if code is None or not code.strip().isdigit():
            return Ended(lost=True)
        return Ended(exit_code=int(code))

    def watch(self, task: Task) -> int | None:
        """Give a descriptor of the launcher process."""
        child, claimed = self._children.get(task.name), self._identity(task)
        pid = child.pid if child is not None else claimed[0] if claimed else None
        if pid is None:
            return None
        try:
            return os.pidfd_open(pid)
        except OSError:
            return None

    def stop(self, task: Task, *, force: bool) -> None:
        """Signal the task's whole process group."""
        claimed = self._identity(task)
        child = self._children.get(task.name)
        if claimed and _start_time(claimed[0]) == claimed[1]:
            group = claimed[0]
        elif child is not None and child.poll() is None:
            group = child.pid
        else:
            return
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL if force else signal.SIGTERM)
        if force:
            _kill_marked(task)

    def answer(self, task: Task) -> tuple[str, bool]:
        """Read the inspection's standard output."""
        content = read_regular(task.control / f"{task.name}.out", MAX_ANSWER_BYTES)
        return ("", True) if content is None else (content.decode("utf-8", "replace"), False)

    def settle(self, task: Task) -> None:
        """End what the notebook left running in its process group."""
        claimed = self._identity(task)
        # The group's id cannot be recycled while a member lives, and a new process never joins an old group; an id
        # that is a process of its own again is somebody else.
        if claimed and _start_time(claimed[0]) is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(claimed[0], signal.SIGKILL)
        code = read_regular(self._left(task), 16)
        if code is None or int(code) > 128:
            # The kit tidies up after itself, unless it was killed: its worker has left the process group.
            _kill_marked(task)

    def remove(self, task: Task) -> None:
        """Reap the launcher."""
        child = self._children.pop(task.name, None)
        if child is not None:
            child.wait()

    def sweep(self, keep: set[str]) -> list[str]:
        """Do nothing: a local task leaves nothing but files in its own folder."""
        return []

    def _claim(self, task: Task) -> Path:
        return task.control / f"{task.name}.claim"

    def _left(self, task: Task) -> Path:
        return task.control / f"{task.name}.exit"

    def _identity(self, task: Task) -> tuple[int, str, str] | None:
        """Give process id and start time (with the boot they belong to being the row's matter) of the launcher."""
        text = read_regular(self._claim(task), 4096)
        return None if text is None else _parse_stat(text.decode("ascii", "replace"))


def _command(task: Task) -> list[str]:
    source = task.folder / "input"
    notebook = str(source / task.notebook)
    if task.kind == "inspection":
        return [sys.executable, "-m", "faelleslab.jobs.inspection", notebook, str(source / GIVEN)]
    return [
        *(sys.executable, "-m", "faelleslab", "run", notebook),
        *("--parameters", str(source / PARAMETERS)),
        *("--output", str(task.folder / "output")),
        *("--timeout", str(task.timeout_s)),
    ]


def _environment(task: Task) -> dict[str, str]:
    """Give a clean environment: nothing of the placer's own but where Python and the kit are."""
    variables = {
        _MARK: _mark(task),
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": str(Path(faelleslab.__file__).parents[1]),
        "LANG": "C.UTF-8",
    }
    if task.kind == "run":
        home = task.control / "home"
        home.mkdir(exist_ok=True, mode=0o700)
        variables |= {
            "HOME": str(home),
            "FAELLESLAB_TENANT": task.tenant.code,
            "FAELLESLAB_IMAGE": task.image,
            "FAELLESLAB_MODE": "embedded",
            "FAELLESLAB_PROGRESS": str(task.control / PROGRESS),
        }
    return variables


def _mark(task: Task) -> str:
    # The folder makes it this installation's own.
    return f"{task.folder}:{task.name}"


def _kill_marked(task: Task) -> None:
    needle = f"{_MARK}={_mark(task)}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            if needle in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)


def _start_time(pid: int) -> str | None:
    """Give the start time of a living process; None for a dead one or a zombie."""
    try:
        parsed = _parse_stat(Path(f"/proc/{pid}/stat").read_text())
    except OSError:
        return None
    return None if parsed is None or parsed[2] in ("Z", "X") else parsed[1]


def _parse_stat(text: str) -> tuple[int, str, str] | None:
    # The name in brackets may hold anything, so the fields are counted from the last bracket.
    head, _, rest = text.rpartition(")")
    fields = rest.split()
    pid = head.partition(" ")[0]
    return (int(pid), fields[19], fields[0]) if pid.isdigit() and len(fields) > 19 else None
