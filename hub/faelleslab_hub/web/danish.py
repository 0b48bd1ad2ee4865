"""The words and forms of the pages: states, reasons, kinds of events, times, durations and sizes."""

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from faelleslab_hub.accounts import ROLES

_HERE = ZoneInfo("Europe/Copenhagen")

STATES = {
    "PENDING": ("Afventer", "info"),
    "RUNNING": ("Kører", "info"),
    "SUCCEEDED": ("Gennemført", "success"),
    "FAILED": ("Mislykket", "error"),
}
REASONS = {
    "CELL_FAILED": "en celle fejlede",
    "KERNEL_DIED": "programmet stoppede uventet",
    "OUT_OF_MEMORY": "for lidt hukommelse",
    "TIMED_OUT": "tidsgrænsen blev nået",
    "CANCELLED": "stoppet",
    "REFUSED": "afvist",
    "INTERNAL_ERROR": "fejl i arbejdsbordet",
    "LOST": "gik tabt",
}
CELLS = {"DONE": "Gennemført", "FAILED": "Fejlede", "INTERRUPTED": "Afbrudt", "NOT_RUN": "Ikke kørt"}
EVENTS = {
    "login.succeeded": "Logget ind",
    "login.refused": "Login afvist",
    "logout": "Logget ud",
    "server.started": "Arbejdsbord startet",
    "server.stopped": "Arbejdsbord stoppet",
    "server.refused": "Arbejdsbord afvist",
    "run.submitted": "Kørsel bestilt",
    "run.inspected": "Notesbog kontrolleret",
    "run.started": "Kørsel startet",
    "run.ended": "Kørsel afsluttet",
    "report.read": "Rapport læst",
    "audit.read": "Hændelser læst",
    "audit.verified": "Revisionsspor kontrolleret",
    "personal.erased": "Personlige dele slettet efter regel",
    "checkpoint.refused": "Kontrolpunkt ikke underskrevet",
}

DETAILS = {
    "accepted": "godtaget",
    "attempt": "forsøg",
    "chain": "kæde",
    "exit_code": "afslutningskode",
    "first": "fra nr.",
    "last": "til nr.",
    "notebook_sha256": "notesbogens fingeraftryk",
    "outputs": "filer",
    "outputs_hash": "filernes fingeraftryk",
    "parameters_hash": "parametrenes fingeraftryk",
    "pause_s": "pause (s)",
    "reason": "årsag",
    "role": "rolle",
    "rule": "regel",
    "seqs": "hændelser",
    "state": "tilstand",
    "timeout_s": "tidsgrænse (s)",
    "unheard": "tidligere forsøg uden svar",
}
_HASH = re.compile(r"(sha256:)?[0-9a-f]{64}")


def details(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Write an event's facts for a table: Danish names, short hashes, nothing that is empty."""
    return [(DETAILS.get(name, name), _fact(name, value)) for name, value in facts.items() if value is not None]


def _fact(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "ja" if value else "nej"
    if name == "seqs" and isinstance(value, list):
        return ", ".join("-".join(dict.fromkeys(str(end) for end in pair)) for pair in value if isinstance(pair, list))
    text = str(value)
    if _HASH.fullmatch(text):
        # The whole of it is in the export; here it is only compared by eye.
        return text.removeprefix("sha256:")[:12] + "…"
    words: dict[str, Any] = {
        "role": ROLES,
        "reason": REASONS,
        "state": {code: word for code, (word, _) in STATES.items()},
    }
    return str(words.get(name, {}).get(text, text))


def moment(value: datetime | str | None) -> str:
    """Write a time as ``22-11-2026 kl. 05.27.01``, Danish time."""
    if value is None:
        return "–"
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return "ukendt tid"
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return value.astimezone(_HERE).strftime("%d-%m-%Y kl. %H.%M.%S")


def duration(seconds: float | None) -> str:
    """Write a duration as ``1,25 s`` or ``3 min. 05 s``."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.2f} s".replace(".", ",")
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} t. {minutes:02} min." if hours else f"{minutes} min. {rest:02} s"


def size(n_bytes: float | None) -> str:
    """Write a size as ``12,3 MB``."""
    if n_bytes is None:
        return "–"
    for unit in ("byte", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} byte" if unit == "byte" else f"{n_bytes:.1f} {unit}".replace(".", ",")
        n_bytes /= 1000
    return f"{n_bytes:.1f} GB".replace(".", ",")


def event_name(type: str) -> str:
    """Name a kind of event; one without a Danish name shows its code."""
    return EVENTS.get(type, type)


def run_state(state: str) -> tuple[str, str]:
    """Give the word of a state and its colour."""
    return STATES.get(state, (state, "info"))


def reason(code: str | None) -> str:
    """Say why a run failed, in a few words."""
    return REASONS.get(code, code) if code else ""


def cell_state(code: str) -> str:
    """Say how a cell ended."""
    return CELLS.get(code, code)
