"""What every long proof and every measurement writes: one dated JSON file with its figures, kept in the repository."""

import datetime
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent


def write(room: str, name: str, figures: dict[str, Any]) -> Path:
    """Write ``<room>/results/<date>-<name>.json``, where room is ``bench`` or ``proofs``, with machine and commit."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    now = datetime.datetime.now(datetime.UTC)
    record = {
        "name": name,
        "time": now.isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "machine": {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        **figures,
    }
    folder = TESTS / room / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{now:%Y-%m-%d}-{name}.json"
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
