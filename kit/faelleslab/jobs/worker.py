"""The child of a run: executes the cells in an IPython shell and tells the parent what happens.

Started by `faelleslab.jobs.supervisor` as ``python -P -m faelleslab.jobs.worker`` with the job as JSON on stdin, the
event pipe as descriptor 3, and descriptors 1 and 2 read by the parent. Its last word is ``finished`` with the job's
token; a child that vanishes without it has died, whatever its exit code says.
"""

import atexit
import builtins
import contextlib
import ctypes
import faulthandler
import fcntl
import json
import os
import signal
import sys
import termios
import threading
import time
from typing import Any

from IPython.core import page
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.profiledir import ProfileDir
from traitlets import Type
from traitlets.config import Config

from faelleslab.jobs.channel import Channel, Stream

EVENT_DESCRIPTOR = 3
_PR_SET_PDEATHSIG = 1
_THREADS_MAY_TAKE_S = 30.0
_READING_MAY_TAKE_S = 0.2
# Widgets need a front end; without one their text form is what can be kept.
_NEEDS_FRONT_END = "application/vnd.jupyter.widget-view+json"
_TOLD_VERSIONS = ("IPython", "numpy", "pandas", "matplotlib", "pyarrow", "polars", "sklearn", "openpyxl", "xlsxwriter")


class _Publisher(DisplayPublisher):
    """Sends what `display` shows."""

    def publish(self, data: Any, metadata: Any = None, *args: Any, **options: Any) -> None:
        shell: Any = self.shell
        shell.flush_streams()
        transient = options.get("transient") or {}
        shell.channel.send(
            "display",
            data=_shown(data),
            metadata=metadata or {},
            id=transient.get("display_id"),
            update=bool(options.get("update")),
        )

    def clear_output(self, wait: bool = False) -> None:  # noqa: FBT001 - IPython's signature
        shell: Any = self.shell
        shell.flush_streams(renew=True)
        shell.channel.send("clear", wait=bool(wait))


class _Result(DisplayHook):
    """Sends the value of a cell's last line."""

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        shell: Any = self.shell
        shell.flush_streams()
        shell.channel.send("result", data=_shown(format_dict), metadata=md_dict or {}, count=self.prompt_count)

    def finish_displayhook(self) -> None:
        pass


class _NoProfile(ProfileDir):
    """A profile that makes no folders: a run leaves nothing in the home folder, and takes nothing from it."""

    def check_dirs(self) -> None:
        pass


class ZMQInteractiveShell(InteractiveShell):
    """The shell of a run.

    Its name is that of Jupyter's own shell: pandas, rich and others look for it to know that they are in a notebook and
    may show tables as HTML.
    """

    display_pub_class = Type(_Publisher)
    displayhook_class = Type(_Result)

    def __init__(self, channel: Channel, streams: list[Stream], **options: Any) -> None:
        self.channel = channel
        self.streams = streams
        self.error_shown = False
        super().__init__(**options)  # type: ignore[no-untyped-call]
        show = page.as_hook(page.display_page)  # type: ignore[no-untyped-call]
        self.set_hook("show_in_pager", show, 99)  # type: ignore[no-untyped-call]

    def flush_streams(self, *, renew: bool = False) -> None:
        """Send gathered prints before something else is shown."""
        for stream in self.streams:
            stream.flush()
            if renew:
                stream.renew()

    def enable_gui(self, gui: Any = None) -> None:
        """Accept `%matplotlib inline`; there is no screen for any other."""
        if gui not in (None, "inline", "agg"):
            raise NotImplementedError("Der er ingen skærm i en kørsel; brug %matplotlib inline.")

    def ask_exit(self) -> None:
        """End like `sys.exit`: the cell has not done its work."""
        raise SystemExit("exit")

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        self.flush_streams()
        self.error_shown = True
        name = getattr(etype, "__name__", str(etype))
        try:
            text = str(evalue)
        except Exception:
            text = ""
        self.channel.send("error", ename=name, evalue=text, traceback=[str(line) for line in stb])


def _shown(data: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in data.items() if k != _NEEDS_FRONT_END}
    return kept or {"text/plain": "(indhold, der kræver en browser)"}


def _refuse_input(prompt: str = "", *_: Any) -> str:
    raise StdinNotImplementedError("En kørsel kan ikke spørge nogen: input() virker ikke her. Brug en parameter.")


def _die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the parent is gone, however it went."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it went before the request was made
        os._exit(1)


def _limit(memory_bytes: int | None) -> None:
    if memory_bytes:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    # When memory runs out, the child must go and not the parent that reports it.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 - a control file
        file.write("500")


def _wait_until_read() -> None:
    """Let the parent read what the cell's processes wrote on 1 and 2, so that it is shown with this cell.

    Costs nothing where nothing was written. A process that goes on writing is not waited for.
    """
    deadline = time.monotonic() + _READING_MAY_TAKE_S
    for descriptor in (1, 2):
        waiting = bytearray(4)
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                fcntl.ioctl(descriptor, termios.FIONREAD, waiting)
            if not any(waiting):
                break
            time.sleep(0.0005)


class _Worker:
    """Runs the cells of one job."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.owner = os.getpid()
        self.channel = Channel(EVENT_DESCRIPTOR)
        streams = [Stream(self.channel, n, d, job["cell_bytes"]) for n, d in (("stdout", 1), ("stderr", 2))]
        sys.stdout, sys.stderr = streams
        sys.argv = [job["name"]]
        sys.path.insert(0, "")  # as in JupyterLab: modules beside the notebook can be imported
        builtins.input = _refuse_input  # type: ignore[assignment]
        config = Config()
        config.HistoryManager.enabled = False
        config.HistoryManager.hist_file = ":memory:"
        scratch = job["scratch"]
        self.shell: Any = ZMQInteractiveShell.instance(
            channel=self.channel,
            streams=streams,
            ipython_dir=scratch,
            profile_dir=_NoProfile(location=scratch),
            config=config,
        )

    def run(self) -> None:
        """Run every cell, in order, until one fails."""
        self.channel.send("ready")
        if any("async" in c["source"] or "await" in c["source"] for c in self.job["cells"]):
            self._run_in_loop()
        else:
            for cell in self.job["cells"]:
                self._begin(cell)
                result = self.shell.run_cell(cell["source"], store_history=True)
                if not self._end(cell, result):
                    break

    def _run_in_loop(self) -> None:
        """As a kernel does: one event loop runs through all cells, so tasks live from one cell to the next."""
        import asyncio

        async def cells() -> None:
            for cell in self.job["cells"]:
                self._begin(cell)
                source, fault = cell["source"], None
                try:
                    source = self.shell.transform_cell(source)
                except Exception:
                    fault = sys.exc_info()
                result = await self.shell.run_cell_async(
                    cell["source"], store_history=True, transformed_cell=source, preprocessing_exc_tuple=fault
                )
                self.shell.events.trigger("post_execute")
                self.shell.events.trigger("post_run_cell", result)
                if not self._end(cell, result):
                    break
                await asyncio.sleep(0)

        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(cells())

    def _begin(self, cell: dict[str, Any]) -> None:
        self.shell.error_shown = False
        self.shell.flush_streams(renew=True)
        self.channel.send("start", i=cell["i"])

    def _end(self, cell: dict[str, Any], result: Any) -> bool:
        if os.getpid() != self.owner:  # a cell forked and let the copy run on: it must not run the rest a second time
            os._exit(0)
        self.shell.flush_streams()
        _wait_until_read()
        error = result.error_before_exec or result.error_in_exec
        done = error is None and not self.shell.error_shown
        self.channel.send(
            "end",
            i=cell["i"],
            ok=done,
            error=type(error).__name__ if error is not None else "",
            memory=isinstance(error, MemoryError),
            count=result.execution_count,
        )
        return done or bool(cell["may_fail"])

    def finish(self) -> None:
        """Let threads and exit functions end their work, then say that all is told, and go."""
        main = threading.main_thread()
        for thread in threading.enumerate():
            if thread is not main and not thread.daemon:
                thread.join(_THREADS_MAY_TAKE_S)
        atexit._run_exitfuncs()
        self.shell.flush_streams()
        versions = {n: str(getattr(sys.modules[n], "__version__", "")) for n in _TOLD_VERSIONS if n in sys.modules}
        self.channel.send("finished", token=self.job["token"], versions=versions)
        os._exit(0)  # what is left is the interpreter's own tidying, which only costs time


def main() -> None:
    """Read the job, run it, and end."""
    with open(0, "rb", closefd=False) as source:
        job = json.loads(source.read())
    silent = os.open(os.devnull, os.O_RDONLY)
    os.dup2(silent, 0)
    os.close(silent)
    _die_with_parent(job["parent"])
    faulthandler.enable(file=2)
    os.chdir(job["folder"])
    _limit(job["memory_bytes"])
    worker = _Worker(job)
    worker.run()
    worker.finish()


if __name__ == "__main__":
    main()
