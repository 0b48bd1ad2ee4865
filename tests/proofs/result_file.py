"""What every long proof writes: one dated JSON file with its figures, kept in the repository."""

import datetime
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"


def write(name: str, figures: dict[str, Any]) -> Path:
    """Write ``results/<date>-<name>.json`` with what machine and which commit it was measured on."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    now = datetime.datetime.now(datetime.UTC)
    record = {
        "proof": name,
        "time": now.isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "machine": {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        **figures,
    }
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{now:%Y-%m-%d}-{name}.json"
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
