"""One run from notebook to ``result.json``: the parent of ADR 2.

A run succeeds only when three things hold at once: the child said its last word with the run's token, it left with exit
code 0, and every cell is done. Everything else has one of the reasons of `faelleslab.jobs.result`.
"""

import contextlib
import hashlib
import json
import os
import platform
import secrets
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from faelleslab import __version__
from faelleslab.errors import FaelleslabError
from faelleslab.jobs import memory_events
from faelleslab.jobs.ending import detail_of, reason_of
from faelleslab.jobs.notebook import read_notebook, title, write_notebook, write_whole
from faelleslab.jobs.output_folder import OutputFolder
from faelleslab.jobs.outputs import CELL_BYTES
from faelleslab.jobs.parameters import as_json, inject, read_schema, typed
from faelleslab.jobs.progress import told
from faelleslab.jobs.provenance import VARIABLE, read_records
from faelleslab.jobs.result import CODES, EXIT_CODES, FAILED, SUCCEEDED, RefusedRunError, Result, message
from faelleslab.jobs.run_state import Progress, RunState
from faelleslab.jobs.supervisor import Ending, Supervisor

SAVE_EVERY_S = 5.0
_DISK_FULL = (28, 122)


def run_notebook(
    path: str | Path,
    parameters: Mapping[str, Any] | None = None,
    output: str | Path | None = None,
    *,
    timeout_s: float | None = None,
    memory_bytes: int | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run a notebook with typed parameters, in a process of its own.

    Parameters
    ----------
    path : str or Path
        ``.ipynb`` or percent ``.py``. Its folder is the working directory, as in JupyterLab.
    parameters : mapping of str to str or JSON value, optional
        Checked against the cell tagged ``parameters``.
    output : str or Path, optional
        A folder without an earlier run; default ``<name>-koersel-<time>`` beside the notebook. It gets the notebook
        with outputs, the report, ``files/`` (``FAELLESLAB_OUTPUT`` to the notebook) and, last, ``result.json``.
    timeout_s : float, seconds, optional
        Of the whole run.
    memory_bytes : int, bytes, optional
        Of the notebook's process, where no container sets a limit.
    progress : callable, optional
        Called with (number, total, label) when a cell begins.

    Returns
    -------
    Result
        How the run ended, also when it failed.

    Raises
    ------
    ParameterError
        FL-P001, FL-P002: nothing was run.
    RefusedRunError
        FL-R001 to FL-R006: nothing was run. A refusal leaves ``result.json`` only in a folder that was there before.
    """
    source = Path(path).absolute()
    started_at = _now()
    folder = OutputFolder(Path(output).absolute() if output else default_output(source), source.stem)
    try:
        for name, limit in (("Tidsgrænsen", timeout_s), ("Hukommelsesgrænsen", memory_bytes)):
            if limit is not None and not 0 < limit < 1e15:
                raise RefusedRunError("FL-R005", f"{name} skal være et tal over nul.")
        run = _prepared(source, parameters or {}, started_at)
        run.progress = told(progress)
        folder.open()
    except FaelleslabError as refusal:
        folder.record_refusal(_refused(refusal, started_at))
        raise
    cpu_before = time.process_time()
    ending = Ending()
    try:
        kills = memory_events.group_kills(), memory_events.machine_kills()
        ending = _supervised(run, source, folder, timeout_s, memory_bytes)
        group_kills = memory_events.group_kills() - kills[0]
        group, machine = group_kills > 0, memory_events.machine_kills() > kills[1]
        failed = bool(run.failed.get("memory")) if run.failed else None
        reason = reason_of(ending, error_memory=failed, all_done=run.all_done(), group_kill=group, machine_kill=machine)
        final = _result(run, ending, reason, detail_of(reason, ending, timeout_s))
        final.memory_kills = max(0, group_kills)
        _write(run, ending, folder, final, cpu_before)
    except Exception as error:  # a full disk, or a fault of ours: never a success, never a stack trace for the user
        full = getattr(error, "errno", None) in _DISK_FULL
        final = _result(run, ending, "INTERNAL_ERROR", "disken er fuld" if full else "")
        folder.record_fault(error)
        with contextlib.suppress(OSError):
            folder.write_result(final)
    finally:
        folder.close()
    return final


def default_output(source: Path) -> Path:
    """Return a folder beside the notebook that does not exist yet."""
    base = source.with_name(f"{source.stem}-koersel-{time.strftime('%Y%m%d-%H%M%S')}")
    candidate, n = base, 1
    while candidate.exists():
        n += 1
        candidate = base.with_name(f"{base.name}-{n}")
    return candidate


def _prepared(source: Path, parameters: Mapping[str, Any], started_at: str) -> RunState:
    notebook, content = read_notebook(source)
    schema = read_schema(notebook)
    values = typed(schema, parameters)
    canonical = json.dumps({k: as_json(v) for k, v in values.items()}, sort_keys=True, separators=(",", ":"))
    hashes: dict[str, Any] = {
        "notebook": hashlib.sha256(content).hexdigest(),
        "parameters": hashlib.sha256(canonical.encode()).hexdigest(),
        "image": os.environ.get("FAELLESLAB_IMAGE") or None,
        "data": {},
    }
    injected = inject(notebook, values)
    injected["metadata"]["language_info"] = {"name": "python", "version": platform.python_version()}
    return RunState(injected, title(injected, source.stem), schema, values, hashes, started_at)


def _supervised(
    run: RunState, source: Path, folder: OutputFolder, timeout_s: float | None, memory_bytes: int | None
) -> Ending:
    job = {
        "token": secrets.token_hex(16),
        "parent": os.getpid(),
        "name": source.name,
        "folder": str(source.parent),
        "scratch": str(folder.scratch),
        "cell_bytes": CELL_BYTES,
        "memory_bytes": memory_bytes,
        "cells": run.job_cells(),
    }
    environment = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        **os.environ,
        "FAELLESLAB_OUTPUT": str(folder.files),
        VARIABLE: str(folder.provenance),
    }
    saved_at, cost = time.monotonic(), 0.0

    def save_when_due() -> None:
        nonlocal saved_at, cost
        now = time.monotonic()
        if run.changed and now - saved_at >= max(SAVE_EVERY_S, 20 * cost):  # a huge notebook is saved more seldom
            run.changed = False
            write_notebook(folder.notebook, run.notebook)
            saved_at = time.monotonic()
            cost = saved_at - now

    supervisor = Supervisor(job, environment, run.take, save_when_due)
    with _cancelled_by_signals(supervisor):
        return supervisor.run(timeout_s)


@contextlib.contextmanager
def _cancelled_by_signals(supervisor: Supervisor) -> Iterator[None]:
    """Let SIGTERM, Ctrl-C and a lost terminal cancel the run, where this thread may say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: supervisor.cancel()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _result(run: RunState, ending: Ending, reason: str | None, detail: str) -> Result:
    """Return the result as far as it is known before the files are written."""
    cell = run.settle(reason)
    text = message(reason, cell, run.error_class(), detail)
    if reason and reason != "CELL_FAILED":
        run.note(cell, text)
    return Result(
        state=FAILED if reason else SUCCEEDED,
        reason=reason,
        exit_code=EXIT_CODES[reason],
        code=CODES[reason] if reason else None,
        message=text,
        error_class=run.error_class() or None,
        started_at=run.started_at,
        ended_at=_now(),
        cells=list(run.cells.values()),
        cpu_seconds=ending.cpu_seconds,
        peak_memory_bytes=ending.peak_memory_bytes,
        outputs_truncated=run.outputs.truncated,
        hashes=run.hashes,
        versions={"faelleslab": __version__, "python": platform.python_version(), **ending.versions},
    )


def _write(run: RunState, ending: Ending, folder: OutputFolder, final: Result, cpu_before: float) -> None:
    """Write notebook, report and, when all else is in place, the result; raises OSError."""
    from faelleslab.jobs.report import render  # imported when the child is gone: its memory was the notebook's to use

    run.hashes["data"] = read_records(folder.provenance)
    if not ending.ready:
        folder.record_start(ending.last_words)
    write_notebook(folder.notebook, run.notebook)
    write_whole(folder.report, render(run, final).encode("utf-8", "replace"))
    final.outputs = folder.outputs()
    final.cpu_seconds = round(final.cpu_seconds + time.process_time() - cpu_before, 3)
    folder.write_result(final)


def _refused(refusal: FaelleslabError, started_at: str) -> Result:
    # A parameter's fault names the parameter and its rule, never the value: the text may stand in the result.
    return Result(
        state=FAILED,
        reason="REFUSED",
        exit_code=EXIT_CODES["REFUSED"],
        code=refusal.code,
        message=str(refusal),
        started_at=started_at,
        ended_at=_now(),
        hashes={"notebook": None, "parameters": None, "image": os.environ.get("FAELLESLAB_IMAGE") or None, "data": {}},
        versions={"faelleslab": __version__, "python": platform.python_version()},
    )


def _now() -> str:
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"
