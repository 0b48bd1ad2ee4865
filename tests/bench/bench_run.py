"""CPU per production run: ours against bare papermill on the same notebook, in one session, interleaved.

Two peers are reported apart, because they differ by a factor of two: papermill in this environment (which has no
``rfc3987-syntax``), and papermill with that package, as a stock JupyterLab environment has it. The plain script of
the same cells, pictures drawn into memory, is the floor nobody can go below. CPU-seconds are user + system of the
process and all children it waited for.

Usage: ``python -m tests.bench.bench_run [--pairs N]``; writes ``tests/bench/results/``
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from tests import result_file

ROOT = Path(__file__).resolve().parents[2]
GOAL = 0.5
STOCK_PACKAGE = "rfc3987-syntax"
TEMPLATE = ROOT / "notebooks/templates/t0_noegletal.py"

REPRESENTATIVE = """\
# %% [markdown]
# # Folketal i kommunen
# Et lille repræsentativt notat: tabel, to billeder, en fil.

# %% tags=["parameters"]
kommunekode: str = "0751"  # Kommune
n_aar: int = 20  # Antal år

# %%
import os
from pathlib import Path

import numpy as np
import pandas as pd
import matplotlib.pyplot as plt

# %% [markdown]
# ## Tal

# %%
rng = np.random.default_rng(751)
aar = np.arange(2026 - n_aar, 2026)
tabel = pd.DataFrame({"aar": aar, "folketal": 300_000 + rng.normal(3_000, 500, n_aar).cumsum().round()})
tabel["stigning"] = tabel["folketal"].diff()
tabel.tail(10)

# %% [markdown]
# ## Billeder

# %%
fig, ax = plt.subplots()
ax.plot(tabel["aar"], tabel["folketal"])
ax.set_title(f"Folketal i {kommunekode}")
plt.show()

# %%
fig, ax = plt.subplots()
ax.bar(tabel["aar"], tabel["stigning"].fillna(0))
ax.set_title("Stigning")
plt.show()

# %%
print(tabel.describe().round(1).to_string())

# %%
tabel.to_csv(Path(os.environ.get("FAELLESLAB_OUTPUT", ".")) / "folketal.csv", index=False, sep=";")
"""


_DRAWN = """\
import io, matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as _plt
def _show(*_, **__):
    for number in _plt.get_fignums():
        _plt.figure(number).savefig(io.BytesIO(), bbox_inches="tight")
    _plt.close("all")
_plt.show = _show
"""


def main(*, n_pairs: int = 7) -> dict[str, Any]:
    """Measure, write the JSON, and return it.

    Parameters
    ----------
    n_pairs : int
        Rounds in which every case runs once, after one round that warms the caches and is thrown away.
    """
    with tempfile.TemporaryDirectory(prefix="bench-run-") as name:
        work = Path(name)
        notebooks = {"representative": REPRESENTATIVE}
        if TEMPLATE.exists():
            notebooks["t0"] = TEMPLATE.read_text(encoding="utf-8")
        stock, stock_note = _stock_folder(work)
        found = {
            "what": "CPU-seconds per production run, faelleslab run against bare papermill, interleaved in one session",
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": _machine(),
            "versions": _versions(),
            "goal": f"median ratio to papermill <= {GOAL}",
            "peer_with_rfc3987_syntax": stock_note,
            "notebooks": {key: _measured(key, text, work, stock, n_pairs) for key, text in notebooks.items()},
        }
    result_file.write("bench", "run", found)
    return found


def _measured(key: str, text: str, work: Path, stock: Path | None, n_pairs: int) -> dict[str, Any]:
    folder = work / key
    folder.mkdir()
    notebook, script = _written(text, folder, key)
    cases = {
        "ours": lambda out: [sys.executable, "-m", "faelleslab", "run", str(notebook), "--output", str(out)],
        "papermill": lambda out: [sys.executable, "-m", "papermill", str(notebook), f"{out}.ipynb"],
        "papermill_with_rfc3987_syntax": lambda out: [sys.executable, "-m", "papermill", str(notebook), f"{out}.ipynb"],
        "plain_script": lambda out: [sys.executable, str(script)],
        "imports_alone": lambda out: [sys.executable, "-c", "import numpy, pandas, matplotlib.pyplot"],
    }
    if stock is None:
        del cases["papermill_with_rfc3987_syntax"]
    seen: dict[str, list[tuple[float, float]]] = {case: [] for case in cases}
    for n in range(n_pairs + 1):
        order = list(cases) if n % 2 else list(reversed(cases))
        for case in order:
            environment = _environment(stock if case == "papermill_with_rfc3987_syntax" else None, folder)
            figures = _timed(cases[case](folder / f"{case}-{n}"), environment, folder)
            if n:
                seen[case].append(figures)
    return _summary(seen)


def _summary(seen: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    cpu = {case: statistics.median(c for c, _ in figures) for case, figures in seen.items()}
    ratios = {
        f"ours_to_{peer}": {
            "of_medians": round(cpu["ours"] / cpu[peer], 3),
            "median_of_pairs": round(
                statistics.median(a[0] / b[0] for a, b in zip(seen["ours"], seen[peer], strict=True)), 3
            ),
            "overhead_over_plain_script": round(
                (cpu["ours"] - cpu["plain_script"]) / (cpu[peer] - cpu["plain_script"]), 3
            ),
        }
        for peer in ("papermill", "papermill_with_rfc3987_syntax")
        if peer in cpu
    }
    return {
        "cases": {
            case: {
                "n": len(figures),
                "cpu_seconds_median": round(cpu[case], 3),
                "cpu_seconds_min": round(min(c for c, _ in figures), 3),
                "cpu_seconds_max": round(max(c for c, _ in figures), 3),
                "wall_seconds_min": round(min(w for _, w in figures), 3),
                "overhead_over_plain_script": round(cpu[case] - cpu["plain_script"], 3),
            }
            for case, figures in seen.items()
        },
        "ratios": ratios,
        "goal_met": {peer: r["of_medians"] <= GOAL for peer, r in ratios.items()},
    }


def _timed(command: list[str], environment: dict[str, str], folder: Path) -> tuple[float, float]:
    """Return CPU and wall seconds of a command that must succeed."""
    began = time.monotonic()
    with (folder / "words.txt").open("wb") as words:
        pid = os.posix_spawn(
            command[0],
            command,
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, words.fileno(), 1), (os.POSIX_SPAWN_DUP2, words.fileno(), 2)],
        )
        _, status, usage = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{command[2:4]} failed:\n{(folder / 'words.txt').read_text()[-3000:]}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - began


def _written(text: str, folder: Path, key: str) -> tuple[Path, Path]:
    """Write the notebook, and the same cells as a plain script that draws into memory."""
    from faelleslab.jobs.notebook import write_notebook
    from faelleslab.jobs.percent import read_percent

    notebook = read_percent(text)
    for cell in notebook["cells"]:
        cell["metadata"] = {k: v for k, v in cell["metadata"].items() if k == "tags"}
    path, script = folder / f"{key}.ipynb", folder / f"{key}_script.py"
    write_notebook(path, notebook)
    code = [c["source"] for c in notebook["cells"] if c["cell_type"] == "code"]
    plain = [line for source in code for line in source.splitlines() if not line.startswith(("%", "!"))]
    head = [_DRAWN] if "matplotlib" in text else []
    script.write_text("\n".join([*head, "display = print", *plain]) + "\n", encoding="utf-8")
    return path, script


def _environment(stock: Path | None, folder: Path) -> dict[str, str]:
    paths = [str(ROOT / "kit")] + ([str(stock)] if stock else [])
    files = folder / "files"
    files.mkdir(exist_ok=True)
    # MPLBACKEND is left to each engine: with one from outside, neither would draw a picture. Compiled modules are kept
    # for all cases alike, as after any installation; the warming round writes them.
    dropped = ("MPLBACKEND", "PYTHONDONTWRITEBYTECODE")
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST") and k not in dropped},
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONPYCACHEPREFIX": str(folder.parent / "compiled"),
        "FAELLESLAB_OUTPUT": str(files),
        "PYTHONWARNINGS": "ignore",
    }


def _stock_folder(work: Path) -> tuple[Path | None, str]:
    """Get the package a stock environment has, beside this one, and say what came of it."""
    folder = work / "stock"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), STOCK_PACKAGE]
    if uv := shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"):
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder), STOCK_PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        return None, f"not measured: {STOCK_PACKAGE} could not be fetched"
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    probe = [
        sys.executable,
        "-c",
        "import rfc3987_syntax; from importlib.metadata import version; print(version('rfc3987-syntax'))",
    ]
    told = subprocess.run(probe, capture_output=True, text=True, env=environment, check=False)
    if told.returncode != 0:
        return None, f"not measured: {STOCK_PACKAGE} was fetched but cannot be imported"
    return folder, f"measured with {STOCK_PACKAGE} {told.stdout.strip()}"


def _machine() -> dict[str, Any]:
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model,
        "n_cpus": os.cpu_count(),
        "system": platform.platform(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "note": "on a shared machine absolute figures vary; the ratios are taken in the same minutes",
    }


def _versions() -> dict[str, str]:
    names = [
        "papermill",
        "nbclient",
        "ipykernel",
        "ipython",
        "jsonschema",
        "pandas",
        "numpy",
        "matplotlib",
        "faelleslab",
    ]
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="CPU per production run against bare papermill")
    parser.add_argument("--pairs", type=int, default=7)
    chosen = parser.parse_args()
    print(json.dumps(main(n_pairs=chosen.pairs)["notebooks"], indent=1))
