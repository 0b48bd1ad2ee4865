"""Record the shipped answers anew where there is internet: ``python -m faelleslab.data.record`` (make record).

Every question of the index is put to the service again. An answer that is not as expected leaves the old one in place,
so that a run half-way through leaves a whole set. Answers made by hand are replaced only when asked (``--all``): the
key figures were checked against them, and a live table may be asked in other words than the extract was.
"""

import argparse
import dataclasses
import datetime as dt
import hashlib
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faelleslab.data.answers import Answer, Cache, Request
from faelleslab.data.atomic import replaced
from faelleslab.data.energi import Energi
from faelleslab.data.statbank import StatBank
from faelleslab.errors import DataError

FOLDER = Path(__file__).parent / "recorded"
_PERSONAL = ("contacts",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Record the answers anew and say how it went.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line.

    Returns
    -------
    int
        0 when every question got its answer, 2 when some did not.
    """
    parser = argparse.ArgumentParser(
        prog="python -m faelleslab.data.record", description="Optag de medsendte svar på ny."
    )
    parser.add_argument("--all", action="store_true", help="erstat også svar, der er sat sammen i hånden")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    entries = json.loads((chosen.folder / "index.json").read_text(encoding="utf-8"))["recordings"]
    failed = 0
    with tempfile.TemporaryDirectory() as empty:
        options: dict[str, Any] = {"offline": False, "cache": Cache(Path(empty))}
        services = {"statbank": StatBank(**options).service, "energi": Energi(**options).service}
        for entry in entries:
            if entry["label"] == "konstrueret" and not chosen.all:
                sys.stdout.write(f"{entry['file']}: konstrueret, beholdes\n")
                continue
            request = Request(entry["service"], entry["path"], entry["parameters"])
            wants = "csv" if entry["file"].endswith(".csv") else "json"
            try:
                answer = services[entry["service"]].ask(request, wants=wants, max_age_s=0)
            except DataError as error:
                failed += 1
                sys.stderr.write(f"{entry['file']}: {error}\n")
                continue
            if answer.label != "direkte":
                failed += 1
                continue
            _keep(chosen.folder, entry, answer)
            sys.stdout.write(f"{entry['file']}: optaget\n")
    with replaced(chosen.folder / "index.json") as temporary:
        text = json.dumps({"recordings": entries}, ensure_ascii=False, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")
    return 2 if failed else 0


def _keep(folder: Path, entry: dict[str, Any], answer: Answer) -> None:
    answer, note = _without_people(answer)
    with replaced(folder / entry["file"]) as temporary:
        temporary.write_bytes(answer.body)
    entry.update(
        label="optaget",
        retrieved=dt.datetime.now(dt.UTC).date().isoformat(),
        source="tjenestens eget svar",
        note=note,
        sha256=hashlib.sha256(answer.body).hexdigest(),
    )


def _without_people(answer: Answer) -> tuple[Answer, str]:
    """Take the contact persons out: the kit ships nobody's name or telephone."""
    try:
        content = json.loads(answer.body)
    except ValueError:
        return answer, ""
    if not isinstance(content, dict) or not any(key in content for key in _PERSONAL):
        return answer, ""
    for key in _PERSONAL:
        content.pop(key, None)
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return dataclasses.replace(answer, body=body), "Tjenestens eget svar; kontaktpersoner er fjernet."


if __name__ == "__main__":
    sys.exit(main())
