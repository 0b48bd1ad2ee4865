"""The report: harmless whatever a notebook shows, readable by everybody, and in Danish."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faelleslab.jobs.report import POLICY
from faelleslab.jobs.report_outputs import Pictures, markdown, sanitised, show_output, text_block

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='JaVaScRiPt&#58;alert(1)'>x</a>",
    "<a href='data:text/html;base64,PHNjcmlwdD4='>x</a>",
    "<a href=' data:text/html,x'>x</a>",
    "<img src='data:image/svg+xml;base64,PHN2Zz4='>",
    "<img src='data:text/html,<script>x</script>'>",
    "<img src='http://example.test/spor.gif'>",
    "<svg onload=alert(1)><script>1</script></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<iframe srcdoc='<script>1</script>'></iframe>",
    "<object data=x></object><embed src=x>",
    "<form action='http://example.test'><button formaction='javascript:1'>x</button></form>",
    "<style>@import 'http://example.test/x.css'</style>",
    "<p style='background:url(http://example.test)'>x</p>",
    "<base href='http://example.test/'>",
    "<meta http-equiv=refresh content='0;url=http://example.test'>",
    "<div id=indhold class=tilstand onclick=x()>x</div>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<template><script>1</script></template>",
    "<details ontoggle=alert(1) open><summary>x</summary></details>",
    "<th scope='x\" onclick=\"1'>a</th>",
    "<table><thead><tr><th scope=col onclick=1>a</thead><script>1</script></table>",
    "<!--><script>alert(1)</script>-->",
    "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>alert(1)</x:script>",
]
ACTIVE = {
    "script",
    "style",
    "iframe",
    "object",
    "embed",
    "form",
    "input",
    "button",
    "base",
    "meta",
    "link",
    "svg",
    "math",
}


class _Reader(HTMLParser):
    """Collects what a browser would see in a fragment."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def assert_harmless(html: str) -> None:
    reader = _Reader()
    reader.feed(html)
    for tag, attributes in reader.tags:
        assert tag not in ACTIVE
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in ("style", "id", "srcdoc", "formaction", "name")
            if name == "href":
                assert re.match(r"(?i)https?:|mailto:|[^:]*$", value or "")
            if name == "src":
                assert re.match(r"data:image/(png|jpeg|gif|webp);base64,", value or "")


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_active_survives(attack: str) -> None:
    assert_harmless(sanitised(attack, "celle 1"))
    assert_harmless(markdown(attack, "celle 1"))
    assert_harmless(markdown(f"# {attack}\n\n[x]({attack})\n\n|{attack}|b|\n|-|-|\n|1|2|\n", "celle 1"))


@given(st.text() | st.lists(st.sampled_from([*ATTACKS, "<table>", "</th>", "<th>", "'\"", "<", ">"])).map("".join))
def test_nothing_active_survives_whatever_is_put_together(html: str) -> None:
    assert_harmless(sanitised(html, 'celle 1 ("><script>)'))
    assert_harmless(markdown(html, 'celle 1 ("><script>)'))


def test_tables_get_scopes_and_a_name() -> None:
    made = sanitised(
        '<table border="1" class="dataframe"><thead><tr style="x"><th></th><th>a</th></tr></thead>'
        "<tbody><tr><th>0</th><td>1</td></tr></tbody></table>",
        "celle 3 (Folketal)",
    )
    assert '<th scope="col">a</th>' in made
    assert '<th scope="row">0</th>' in made
    assert "<th></th>" not in made
    assert 'aria-label="Tabel i celle 3 (Folketal)"' in made


@pytest.mark.parametrize(
    ("mime", "data"),
    [
        ("image/png", '"><script>1</script>'),
        ("image/jpeg", "x' onerror='1"),
        ("image/svg+xml", "<svg><script>1</script></svg>"),
        ("image/png", ["aGVq", "\n"]),
        ("text/html", "<script>1</script>"),
        ("text/markdown", "<script>1</script>[x](javascript:1)"),
        ("text/latex", "<script>1</script>"),
        ("text/plain", "<script>1</script>"),
        ("application/javascript", "alert(1)"),
        ("application/vnd.plotly.v1+json", {"data": []}),
    ],
)
def test_every_kind_of_output_is_harmless(mime: str, data: object) -> None:
    output = {"output_type": "display_data", "data": {mime: data}, "metadata": {mime: {"alt": '"><script>'}}}
    made = show_output(output, {"metadata": {}}, 1, '"><script>', Pictures())
    reader = _Reader()
    reader.feed(made)
    assert not {tag for tag, _ in reader.tags} & ACTIVE
    assert all(not name.startswith("on") for _, attributes in reader.tags for name in attributes)


def test_text_is_shown_as_it_ended() -> None:
    assert "100 %" in text_block("  0 %\r 50 %\r100 %\nfærdig\r\n")
    assert " 50 %" not in text_block("  0 %\r 50 %\r100 %\n")
    assert text_block("\x1b[31mrød\x1b[0m") == '<pre tabindex="0">rød</pre>\n'
    assert len(text_block("x" * 1_000_000)) < 101_000


def test_a_whole_report(run) -> None:
    ran = run(
        "# %% [markdown]\n# # Mit <b>notat</b> & tal\n# Indledning\n# ## Del",
        '# %% tags=["parameters"]\nkommune: str = "0751"  # Kommune\nandel: float = 1.5  # Andel\nmed = True',
        "print('<script>alert(1)</script>')",
        "# %% [markdown]\n# ### Tabel\n# | a | b |\n# |---|---|\n# | 1 | 2 |",
        "import sys; print('advarsel', file=sys.stderr)",
        parameters={"kommune": "<b>'0461'"},
    )
    page = ran.report
    assert '<html lang="da">' in page
    assert POLICY in page
    assert page.count("<h1>") == 1
    assert "<title>Mit notat &amp; tal" in page or "<title>Mit &lt;b&gt;notat" in page
    assert '<th scope="row">Kommune</th><td>&lt;b&gt;&#x27;0461&#x27;</td>' in page
    assert '<th scope="row">Andel</th><td>1,5</td>' in page
    assert '<th scope="row">Med</th><td>ja</td>' in page
    assert "Gennemført" in page
    assert "<script" not in page
    assert ran.result.hashes["notebook"] in page
    levels = [int(n) for n in re.findall(r"<h([1-6])", page)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels)), levels
    assert "<h3>Tabel</h3>" in page
    assert all('alt="' in img for img in re.findall(r"<img[^>]*>", page))
    assert not re.findall(r'(?:src|href)="(?!data:image/|#)[^"]*"', page)


def test_a_failed_run_says_why(run) -> None:
    ran = run("# %% [markdown]\n# # Titel\n# ## Regning", "1/0", "2")
    assert "Fejl i celle 1 (Regning): ZeroDivisionError" in ran.result.message
    assert "Fejlet: fejl i en celle" in ran.report
    assert "Ikke udført" in ran.report
    assert "Vis hele fejlteksten" in ran.report
    assert "\x1b" not in ran.report
