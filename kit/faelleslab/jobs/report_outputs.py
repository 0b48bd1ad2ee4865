"""Cells and outputs as accessible, harmless HTML.

What a notebook shows is not trusted: scripts, event handlers, frames, forms, styles, ids and addresses other than
http(s), mailto and inlined pictures do not survive (nh3, the ammonia library). The page's own policy forbids them once
more. Tables get header scopes, pictures an alternative text, headings their place below the page's own.
"""

import re
from html import escape
from typing import Any

import nh3

from faelleslab.jobs.notebook import heading_text

LONGEST_TEXT = 100_000
LONGEST_HTML = 2_000_000

_TAGS = set(
    re.findall(
        r"\w+",
        """
        a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure
        h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strong sub summary sup
        table tbody td tfoot th thead tr u ul var
        """,
    )
)
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "col": {"span"},
    "colgroup": {"span"},
    "ol": {"start"},
    "abbr": {"title"},
}
_INLINED = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*")
_NUMBER = re.compile(r"[0-9]{1,5}%?")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")
# What matplotlib returns beside its picture says nothing to a reader of the report.
_PLOT_LEFTOVERS = re.compile(
    r"\s*(?:[\[(]?\s*<(?:Axes|matplotlib\.|BarContainer|Figure)|Text\(|\(array\(.*<BarContainer)", re.S
)


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "src":
        return value if _INLINED.fullmatch(value) else None
    if name == "href" and value.lstrip().lower().startswith("data:"):
        return None
    if name in ("colspan", "rowspan", "span", "width", "height", "start"):
        return value if _NUMBER.fullmatch(value) else None
    return value


_cleaner = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags={"script", "style", "title", "template", "noscript", "textarea", "select"},
    attributes=_ATTRIBUTES,
    attribute_filter=_attribute,
    url_schemes={"http", "https", "mailto", "data"},
    link_rel="noopener noreferrer",
)


# A figure is read by its last digits: it is set to the right and never broken over two lines.
_NUMBER_CELL = re.compile(r"<td>((?:<strong>)?\s*[-−]?\d[\d.]*(?:,\d+)?\s*%?\s*(?:</strong>)?)</td>")


def sanitised(html: str, place: str, *, lower: int = 2) -> str:
    """Return HTML that holds nothing active, with table headers and pictures made accessible.

    Parameters
    ----------
    html : str
        Untrusted.
    place : str
        Plain text such as ``celle 3 (Folketal)``; names what has no name of its own.
    lower : int
        How many levels headings are moved down, so that they stand below the page's own.
    """
    clean = _cleaner.clean(html)
    clean = re.sub(r"<(/?)h([1-6])>", lambda m: f"<{m[1]}h{min(6, int(m[2]) + lower)}>", clean)
    clean = re.sub(r"<thead>.*?</thead>", _column_headers, clean, flags=re.S)
    clean = re.sub(r"<th(?=[ >])(?![^>]*scope=)", '<th scope="row"', clean)
    clean = _NUMBER_CELL.sub(r'<td class="tal">\1</td>', clean)
    label = escape(f"Tabel i {place}")
    clean = clean.replace("<table>", f'<div class="bred" role="region" tabindex="0" aria-label="{label}"><table>')
    clean = clean.replace("</table>", "</table></div>")
    return re.sub(r"<img(?![^>]*\balt=)", f'<img alt="{escape(f"Billede i {place}")}"', clean)


def _column_headers(found: re.Match[str]) -> str:
    head = re.sub(r"<th(?: [^>]*)?>\s*</th>", "<td></td>", found[0])  # an empty header confuses a screen reader
    return re.sub(r"<th(?=[ >])", '<th scope="col"', head)


def text_block(text: str, css: str = "") -> str:
    """Return text as a block: without colour codes, and overwritten progress lines as they ended."""
    text = _ANSI.sub("", text)
    if "\r" in text:
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT] + "\n… resten står i notesbogen."
    if not text.strip():
        return ""
    return f'<pre tabindex="0"{f" class={css!r}" if css else ""}>{escape(text)}</pre>\n'


class Pictures:
    """Numbers the pictures of a report and finds their alternative text."""

    def __init__(self) -> None:
        self._n = 0

    def show(self, kind: str, data: str, output: dict[str, Any], cell: dict[str, Any], label: str) -> str:
        """Return one picture as HTML; empty when its data is not what it says."""
        if kind == "image/svg+xml":
            from base64 import b64encode

            data = b64encode(data.encode("utf-8", "replace")).decode()  # as a picture, an SVG runs no scripts
        if not _BASE64.fullmatch(data):
            return ""
        self._n += 1
        known = self._alternative(kind, output, cell)
        alternative = known or f"Figur {self._n}: {label}. Tallene bag står i notesbogens celle."
        source = f"data:{kind};base64,{''.join(data.split())}"
        return f'<figure><img src="{source}" alt="{escape(alternative)}"></figure>\n'

    @staticmethod
    def _alternative(kind: str, output: dict[str, Any], cell: dict[str, Any]) -> str:
        metadata = output.get("metadata") or {}
        ours = cell["metadata"].get("faelleslab")
        for place in (metadata.get(kind), metadata, ours, cell["metadata"]):
            if isinstance(place, dict) and isinstance(place.get("alt"), str) and place["alt"].strip():
                return str(place["alt"].strip())
        return ""


def show_output(output: dict[str, Any], cell: dict[str, Any], number: int, label: str, pictures: Pictures) -> str:
    """Return one output of a code cell as HTML."""
    kind = output.get("output_type")
    if kind == "stream":
        return text_block(_text(output.get("text", "")), "meddelelse" if output.get("name") == "stderr" else "")
    if kind == "error":
        trace = text_block("\n".join(str(line) for line in output.get("traceback", [])))
        head = escape(f"{output.get('ename', 'Fejl')}: {output.get('evalue', '')}"[:500])
        return f'<div class="fejl"><p><strong>Fejl i celle {number}.</strong> {head}</p>\n' + (
            f"<details><summary>Vis hele fejlteksten</summary>{trace}</details></div>\n"
        )
    return _show_data(output, cell, number, label, pictures)


def _show_data(output: dict[str, Any], cell: dict[str, Any], number: int, label: str, pictures: Pictures) -> str:
    data = output.get("data") or {}
    for mime in ("image/png", "image/jpeg", "image/svg+xml", "image/gif"):
        if mime in data and (shown := pictures.show(mime, _text(data[mime]), output, cell, label)):
            return shown
    html = _text(data.get("text/html", ""))
    if html and len(html) <= LONGEST_HTML:
        clean = sanitised(html, f"celle {number} ({label})")
        if re.sub(r"<(?!img)[^>]*>|\s", "", clean):
            return f'<div class="udskrift">{clean}</div>\n'
    if "text/markdown" in data:
        return f'<div class="udskrift">{markdown(_text(data["text/markdown"]), label)}</div>\n'
    text = _text(data.get("text/plain") or data.get("text/latex") or "")
    if output.get("output_type") == "execute_result" and _PLOT_LEFTOVERS.match(text):
        return ""
    return text_block(text)


def markdown(source: str, place: str, *, drop_title: str = "", lower: int = 1) -> str:
    """Return Markdown as harmless HTML; a first heading that repeats the page's title is left out."""
    import mistune

    if drop_title:
        head, _, rest = source.lstrip().partition("\n")
        if re.fullmatch(r"#\s+.*", head) and heading_text(head) == drop_title:
            source = rest
    made = mistune.create_markdown(escape=False, plugins=["table", "strikethrough"])(source)
    return sanitised(str(made), place, lower=lower)


def _text(value: Any) -> str:
    return "".join(str(part) for part in value) if isinstance(value, list) else str(value)
