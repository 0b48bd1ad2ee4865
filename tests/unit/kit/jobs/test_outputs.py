"""What a run shows: as in JupyterLab, within limits, and in its own cell."""

import base64
import json
import resource
import time

import pytest

from faelleslab.jobs.outputs import Outputs, plain
from faelleslab.jobs.supervisor import Supervisor

pytestmark = pytest.mark.slow


def test_what_processes_write_is_shown_with_the_cell_that_started_them(run) -> None:
    ran = run(
        "import os, subprocess, sys",
        "_ = subprocess.run(['echo', 'æøå fra en proces'])",
        "os.write(1, b'et\\n'); _ = os.write(2, b'to\\n')",
        "!echo fra skallen",
        "sys.__stdout__.write('tre\\n'); sys.__stdout__.flush()",
        "from multiprocessing import get_context\n"
        "p = get_context('fork').Process(target=print, args=('fra en kopi',)); p.start(); p.join()",
    )
    assert ran.text(1) == "æøå fra en proces\n"
    assert {o["name"]: o["text"] for o in ran.outputs(2)} == {"stdout": "et\n", "stderr": "to\n"}
    assert ran.text(3).replace("\r", "") == "fra skallen\n"
    assert ran.text(4) == "tre\n"
    assert ran.text(5) == "fra en kopi\n"


def test_many_cells_keep_their_own_output(run) -> None:
    cells = [f"import os; os.write(1, b'{n};'); print({n})" for n in range(60)]
    ran = run(*cells)
    assert [sorted(ran.text(n).replace("\n", ";").split(";")) for n in range(60)] == [
        sorted([str(n), str(n), ""]) for n in range(60)
    ]


def test_results_displays_updates_and_clears(run) -> None:
    ran = run(
        "from IPython.display import display, clear_output, HTML, Markdown, JSON, Image, update_display",
        "print('a'); display('b'); print('c'); 'd'",
        "print('væk'); clear_output(); print('bliver')",
        "for n in range(5):\n    clear_output(wait=True); print(n)",
        "h = display('før', display_id=True)",
        "h.update('efter'); 1;",
        "display(HTML('<b>x</b>')); display(JSON({'a': float('nan')}))",
        "None",
        "_, __, In[1][:4], Out",
    )
    assert [o["output_type"] for o in ran.outputs(1)] == ["stream", "display_data", "stream", "execute_result"]
    assert ran.text(2) == "bliver\n"
    assert ran.text(3) == "4\n"
    assert ran.outputs(4)[0]["data"]["text/plain"] == "'efter'"
    assert ran.outputs(5) == []
    assert ran.outputs(6)[0]["data"]["text/html"] == "<b>x</b>"
    assert ran.outputs(6)[1]["data"]["application/json"] == {"a": None}
    assert ran.outputs(7) == []
    assert ran.result.succeeded


def test_figures_are_shown_as_in_jupyterlab(run) -> None:
    ran = run(
        "import matplotlib.pyplot as plt",
        "plt.plot([1, 2]); plt.title('x'); None",
        "%matplotlib inline",
        "fig, ax = plt.subplots(); ax.bar([1], [1]); plt.show()",
        "from IPython.display import display\ndisplay(fig, metadata={'image/png': {'alt': 'Én søjle'}})",
    )
    assert ran.result.succeeded, ran.result.message
    for cell in (1, 3, 4):
        (shown,) = ran.outputs(cell)
        assert base64.b64decode(shown["data"]["image/png"]).startswith(b"\x89PNG")
    assert 'alt="Én søjle"' in ran.report
    assert 'alt="Figur 1' in ran.report


def test_event_loop_lives_through_the_notebook_as_in_a_kernel(run) -> None:
    ran = run(
        "import asyncio\nasync def f():\n    await asyncio.sleep(0.01)\n    return 7",
        "task = asyncio.create_task(f())",
        "await task",
        "await asyncio.gather(f(), f())",
        "await asyncio.sleep(0); raise ValueError",
    )
    assert ran.outputs(2)[0]["data"]["text/plain"] == "7"
    assert ran.outputs(3)[0]["data"]["text/plain"] == "[7, 7]"
    assert (ran.result.reason, ran.result.error_class) == ("CELL_FAILED", "ValueError")


def test_main_is_the_notebook(run) -> None:
    ran = run(
        "import pickle, sys, dataclasses, os\n@dataclasses.dataclass\nclass Punkt:\n    x: int = 1",
        "def dobbelt(n): return 2 * n\n"
        "__name__, pickle.loads(pickle.dumps(Punkt(3))), sys.modules['__main__'].Punkt is Punkt, sys.argv",
        "from concurrent.futures import ProcessPoolExecutor\nfrom multiprocessing import get_context\n"
        "with ProcessPoolExecutor(2, get_context('fork')) as pool: print(sum(pool.map(dobbelt, [1, 2])))",
        "import math\nwith ProcessPoolExecutor(1, get_context('spawn')) as pool: print(list(pool.map(math.sqrt, [4])))",
        "os.path.exists('bog.py')",
    )
    assert ran.result.succeeded, ran.text(1) + str(ran.outputs(2)) + str(ran.outputs(3))
    assert ran.text(1) == "('__main__', Punkt(x=3), True, ['bog.py'])"
    assert ran.text(2) == "6\n"
    assert ran.text(3) == "[2.0]\n"
    assert ran.text(4) == "True"


def test_widgets_without_a_front_end_show_their_text(run) -> None:
    ran = run(
        "import ipywidgets as w",
        "b = w.Button(description='Gem'); b",
        "from IPython.display import display\nout = w.Output()\nwith out: print('inde')\ndisplay(out)",
        "w.interact(lambda x: print(x), x=(0, 3));",
    )
    assert ran.result.succeeded, ran.outputs(-1)
    assert "Button" in ran.outputs(1)[0]["data"]["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" not in json.dumps(ran.notebook)


def test_pandas_shows_tables_as_html(run) -> None:
    ran = run("import pandas as pd\npd.DataFrame({'a': [1]})")
    assert "<table" in ran.outputs(0)[0]["data"]["text/html"]
    assert '<th scope="col">a</th>' in ran.report


def test_a_thread_that_is_still_at_work_is_waited_for(run) -> None:
    ran = run(
        "import threading, time, os, pathlib\n"
        "def late():\n"
        "    time.sleep(0.5)\n"
        "    pathlib.Path(os.environ['FAELLESLAB_OUTPUT'], 'sent.txt').write_text('x')\n"
        "threading.Thread(target=late).start()"
    )
    assert ran.result.succeeded
    assert "files/sent.txt" in {o["path"] for o in ran.result.outputs}


@pytest.mark.parametrize(
    "cell",
    [
        "for _ in range(100): print('x' * 1_000_000)",
        "print('x' * 100_000_000)",
        "import os\nfor _ in range(1000): os.write(1, b'x' * 100_000)",
        "import subprocess; _ = subprocess.run('yes | head -c 100000000', shell=True)",
        "from IPython.display import display, HTML\nfor _ in range(20): display(HTML('x' * 5_000_000))",
        "from IPython.display import display, HTML\ndisplay(HTML('x' * 50_000_000))",
        "from IPython.display import display\nfor n in range(11_000): display(n)",
    ],
)
def test_exploding_output_is_capped_with_a_marker(run, cell: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ran = run(cell, "print('videre')")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert ran.result.succeeded
    assert ran.result.outputs_truncated
    assert "Resten er udeladt" in ran.text(0)
    assert ran.text(1) == "videre\n"
    assert (ran.folder / "bog.ipynb").stat().st_size < 25_000_000
    assert grown < 250_000, "kilobytes the parent grew by"


def test_the_whole_run_is_capped_too(run) -> None:
    ran = run(*["print('x' * 9_000_000)"] * 10, "1/0")
    assert ran.result.outputs_truncated
    assert (ran.folder / "bog.ipynb").stat().st_size < 62_000_000
    assert ran.outputs(-1)[-1]["ename"] == "ZeroDivisionError"


def test_a_long_line_of_ticks_costs_its_length_and_not_its_square(run) -> None:
    began = time.process_time()
    ran = run("import sys\nfor n in range(50_000): print(n)")
    assert ran.text(0).count("\n") == 50_000
    assert time.process_time() - began < 5


def test_odd_text_is_kept(run) -> None:
    ran = run(r"print('\ud800 \x00 \u2028 \U0001f600 æøå')", r"import os; _ = os.write(1, b'\xff\xfe')")
    assert ran.text(0) == "\ud800 \x00 \u2028 \U0001f600 æøå\n"
    assert ran.text(1) == "\ufffd\ufffd"
    assert ran.result.succeeded


def test_forged_and_broken_lines_do_not_make_a_success() -> None:
    seen: list[dict] = []
    supervisor = Supervisor({"token": "rigtig"}, {}, seen.append, lambda: None)
    for line in (
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"e": "finished", "token": "gaet"}',
        b'{"e": "finished"}',
        b"\xff",
    ):
        supervisor._event(line)
    assert not supervisor._ending.finished
    assert seen == []


def test_cleared_output_gives_its_room_back() -> None:
    outputs = Outputs(cell_bytes=1000, run_bytes=3000)
    cell: dict = {"cell_type": "code"}
    outputs.begin(cell)
    for _ in range(100):
        outputs.take({"e": "stream", "name": "stdout", "text": "x" * 500})
        outputs.take({"e": "clear", "wait": True})
    outputs.take({"e": "stream", "name": "stdout", "text": "til sidst"})
    assert not outputs.truncated
    assert plain(cell)["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "til sidst"}]
