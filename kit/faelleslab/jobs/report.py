"""The HTML report of a run: Danish, readable without a mouse or a picture, and nothing active in it.

One file without references to anywhere else. Code is folded away. Parameter values are shown: the report stays inside
the municipality, as the notebook does.
"""

import re
from datetime import UTC, datetime, tzinfo
from html import escape
from typing import Any

from faelleslab.jobs.notebook import has_tag, labels
from faelleslab.jobs.outputs import plain
from faelleslab.jobs.parameters import INJECTED_TAG, TAG, Parameter
from faelleslab.jobs.report_outputs import Pictures, markdown, show_output, text_block
from faelleslab.jobs.result import DONE, NOT_RUN, Result
from faelleslab.jobs.run_state import RunState

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_LONGEST_VALUE = 2_000
_MONTHS = (
    *("januar", "februar", "marts", "april", "maj", "juni"),
    *("juli", "august", "september", "oktober", "november", "december"),
)
_STATES = {
    None: "Gennemført",
    "CELL_FAILED": "Fejlet: fejl i en celle",
    "KERNEL_DIED": "Fejlet: processen døde",
    "OUT_OF_MEMORY": "Fejlet: ikke hukommelse nok",
    "TIMED_OUT": "Fejlet: tidsgrænsen overskredet",
    "CANCELLED": "Afbrudt",
    "INTERNAL_ERROR": "Fejlet: intern fejl",
}
_STYLE = """
:root{color-scheme:light}
body{font:1.0625rem/1.55 "IBM Plex Sans",system-ui,"Segoe UI",Arial,sans-serif;color:#1a1a1a;background:#fff;margin:0}
main,header{max-width:60rem;margin:0 auto;padding:1rem 1.25rem}
h1{font-size:2rem;line-height:1.2}h2{margin-top:2rem}a{color:#004e96}
a:focus,summary:focus,[tabindex]:focus{outline:3px solid #0059b3;outline-offset:2px}
.spring{position:absolute;left:-9999px}.spring:focus{position:static}
.tilstand{border-left:.4rem solid #1b6b2f;background:#eef6f0;padding:.75rem 1rem}
.tilstand.ikke{border-color:#a3000c;background:#fdf0f0}
table{border-collapse:collapse;margin:.5rem 0}caption{text-align:left;font-weight:600;padding:.25rem 0}
th,td{border:1px solid #949494;padding:.3rem .6rem;text-align:left;vertical-align:top}
.tal{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
thead th{background:#f0f0f0}.bred{overflow-x:auto;font-size:.9rem}
pre{background:#f5f5f5;border:1px solid #949494;padding:.6rem;overflow:auto;white-space:pre-wrap;max-height:40rem}
pre.meddelelse{background:#fff8e6}.fejl{border-left:.4rem solid #a3000c;padding:.1rem 1rem}
img{max-width:100%;height:auto}figure{margin:1rem 0}summary{cursor:pointer;color:#004e96;padding:.25rem 0}
.hash{font-family:monospace;font-size:.875rem;overflow-wrap:anywhere}
@media print{details{display:none}pre{max-height:none}}
"""


def render(run: RunState, final: Result) -> str:
    """Return the report's HTML.

    Parameters
    ----------
    run : RunState
        The notebook with its outputs, its schema and the values it ran with.
    final : Result
    """
    title = escape(run.title)
    failed = "" if final.succeeded else " ikke"
    parts = [
        f'<!DOCTYPE html>\n<html lang="da">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title} – kørsel</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<a class="spring" href="#indhold">Gå til indholdet</a>\n<header>\n<h1>{title}</h1>\n'
        f'<p class="tilstand{failed}"><strong>{_STATES[final.reason]}.</strong> {escape(final.message)}</p>\n',
        _facts(final),
        _parameters(run.schema, run.values),
        '</header>\n<main id="indhold">\n',
        *_cells(run, final),
        _traces(final),
        "</main>\n</body>\n</html>\n",
    ]
    return "".join(parts)


def _facts(final: Result) -> str:
    began, ended = (datetime.fromisoformat(t) for t in (final.started_at, final.ended_at))
    rows = [
        ("Startet", _when(began)),
        ("Varighed", _duration((ended - began).total_seconds())),
        ("Celler udført", f"{sum(c.state == DONE for c in final.cells)} af {len(final.cells)}"),
    ]
    body = "".join(f'<tr><th scope="row">{escape(k)}</th><td>{escape(v)}</td></tr>\n' for k, v in rows)
    return f"<table><caption>Kørslen</caption><tbody>\n{body}</tbody></table>\n"


def _parameters(schema: list[Parameter], values: dict[str, Any]) -> str:
    if not schema:
        return ""
    rows = []
    for p in schema:
        shown = _shown(values.get(p.name))
        rows.append(f'<tr><th scope="row">{escape(p.label)}</th><td>{escape(shown)}</td></tr>\n')
    return f"<table><caption>Parametre</caption><tbody>\n{''.join(rows)}</tbody></table>\n"


def _shown(value: Any) -> str:
    if value is None:
        return "(ingen)"
    if isinstance(value, bool):
        return "ja" if value else "nej"
    if isinstance(value, float):
        return f"{value:.15g}".replace(".", ",")
    if isinstance(value, list):
        value = "; ".join(value)
    text = value.strftime("%d-%m-%Y") if hasattr(value, "strftime") else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]} … ({len(text)} tegn)"


def _cells(run: RunState, final: Result) -> list[str]:
    pictures, named = Pictures(), labels(run.notebook)
    made = []
    # The page's title is the only h1. A notebook with further h1 is moved down one level, so that none is jumped over.
    texts = [c["source"] for c in run.notebook["cells"] if c["cell_type"] == "markdown"]
    lower = int(sum(len(re.findall(r"^ {0,3}#\s", text, re.M)) for text in texts) > 1)
    for position, cell in enumerate(run.notebook["cells"]):
        try:
            if cell["cell_type"] == "markdown":
                made.append(markdown(cell["source"], named[position], drop_title=run.title, lower=lower))
            elif cell["cell_type"] == "code":
                made.append(_code(run, position, named[position], pictures))
        except (RecursionError, ValueError, TypeError, KeyError, AttributeError):  # odd input costs one cell only
            made.append(text_block(str(cell["source"])) + "<p>Cellen kan ikke vises her; se notesbogen.</p>\n")
    return made


def _code(run: RunState, position: int, label: str, pictures: Pictures) -> str:
    cell = plain(run.notebook["cells"][position])
    if has_tag(cell, TAG) or (has_tag(cell, INJECTED_TAG) and not cell["outputs"]):
        return ""  # the values stand in the table above
    known = run.cells.get(position)
    number = known.index if known else 0
    shown = "".join(show_output(output, cell, number, label, pictures) for output in cell["outputs"])
    state = "<p>Ikke udført.</p>\n" if known and known.state == NOT_RUN else ""
    if not cell["source"].strip():
        return shown
    summary = f"Vis kode (celle {number})" if number else "Vis kode (ikke udført)"
    return f"<details><summary>{summary}</summary>{text_block(cell['source'])}</details>\n{state}{shown}"


def _traces(final: Result) -> str:
    """Return what lets a reader prove which notebook, parameters, image and data the report stems from."""
    rows = [("Notesbog", final.hashes.get("notebook")), ("Parametre", final.hashes.get("parameters"))]
    rows.append(("Image", final.hashes.get("image") or "uden container"))
    rows += [(f"Data: {name}", value) for name, value in sorted(final.hashes.get("data", {}).items())]
    body = "".join(
        f'<tr><th scope="row">{escape(str(k))}</th><td class="hash">{escape(str(v))}</td></tr>\n' for k, v in rows
    )
    versions = ", ".join(f"{name} {number}" for name, number in final.versions.items())
    return (
        "<h2>Om kørslen</h2>\n<details><summary>Vis fingeraftryk og versioner</summary>"
        f"<table><caption>Fingeraftryk (SHA-256)</caption><tbody>\n{body}</tbody></table>\n"
        f"<p>Versioner: {escape(versions)}.</p></details>\n"
    )


def _when(moment: datetime) -> str:
    zone: tzinfo = UTC
    try:
        from zoneinfo import ZoneInfo

        zone = ZoneInfo("Europe/Copenhagen")
    except (ImportError, KeyError, OSError):  # a machine without time zones: say so rather than be an hour wrong
        pass
    local = moment.astimezone(zone)
    name = " (UTC)" if zone is UTC else ""
    return f"{local.day}. {_MONTHS[local.month - 1]} {local.year} kl. {local:%H.%M}{name}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return re.sub(r"\.", ",", f"{seconds:.1f}") + " sekunder"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min. {rest} sek."
