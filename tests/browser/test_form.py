"""A template opens as a form, and everything is done by keyboard alone: in a real JupyterLab and a real Chromium."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from openpyxl import load_workbook

playwright = pytest.importorskip("playwright.sync_api", reason="playwright belongs to the development tools")

from tests.browser.keyboard import walk_to  # noqa: E402
from tests.browser.lab import ARTEFACTS, ROOT, Lab, running_lab  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 60_000
FORM, STATUS, ERRORS, DONE = ".fl-Form", ".fl-Form-status", ".fl-Form-errors", ".fl-Form-status.fl-mod-done"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as tools:
        started = tools.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser: "playwright.Browser") -> Iterator["playwright.Page"]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="da-DK")
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    yield page
    faults = page.faults
    context.close()
    assert not faults


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core: the hub's own npm packages have it; else it is fetched once into build/."""
    places = [ROOT / "hub" / "node_modules", ROOT / "build" / "axe" / "node_modules"]
    files = [place / "axe-core" / "axe.min.js" for place in places]
    if not any(f.exists() for f in files):
        folder = ROOT / "build" / "axe"
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--prefix", str(folder), "--no-save", "axe-core@4"], check=True, timeout=300)
    return next(f for f in files if f.exists()).read_text(encoding="utf-8")


def opened(page: "playwright.Page", lab: Lab, name: str) -> Path:
    """Open T0 and wait until the first field has the focus by itself."""
    notebook = lab.template(name)
    page.goto(lab.address(notebook))
    page.wait_for_function("document.activeElement?.name === 'kommunekode'")
    return notebook


def typed_into(page: "playwright.Page", field: str, text: str) -> None:
    """Walk to a field by Tab and write."""
    walk_to(page, f"e => e.name === '{field}'")
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def focused(page: "playwright.Page", selector: str) -> bool:
    return bool(page.evaluate(f"document.activeElement?.matches({json.dumps(selector)}) ?? false"))


def violations(page: "playwright.Page", axe: str, selector: str) -> list[str]:
    """axe's findings within an element, WCAG 2.1 A and AA and its best practices."""
    page.evaluate(axe)
    found = page.evaluate("selector => axe.run(selector)", selector)["violations"]
    return [f"{v['id']}: {v['help']} {[n['html'][:120] for n in v['nodes']]}" for v in found]


def n_cells(notebook: Path) -> int:
    return len(json.loads(notebook.read_text(encoding="utf-8"))["cells"])


def injected(notebook: Path) -> list[tuple[int, str]]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [
        (i, "".join(cell["source"]))
        for i, cell in enumerate(cells)
        if "injected-parameters" in cell["metadata"].get("tags", [])
    ]


def saved(page: "playwright.Page") -> None:
    page.wait_for_selector(".lm-TabBar-tab.jp-mod-current:not(.jp-mod-dirty)")


def test_form_to_excel_by_keyboard_alone(page: "playwright.Page", lab: Lab, axe: str) -> None:
    notebook = opened(page, lab, "tastatur")
    assert page.inner_text(f"{FORM} h1") == "98 kommuner i nøgletal"
    assert not page.is_visible(".jp-CodeCell .jp-InputArea")
    assert violations(page, axe, FORM) == []
    page.screenshot(path=ARTEFACTS / "formular-aaben.png")

    page.keyboard.type("Odder")
    page.keyboard.press("Enter")
    page.wait_for_selector(DONE)
    assert page.inner_text(STATUS) == "Færdig. Resultatet står herunder."
    assert focused(page, STATUS)
    pictures = page.locator(".jp-OutputArea img")
    assert pictures.count() == 3
    assert all("Odder" in (pictures.nth(i).get_attribute("alt") or "") for i in range(3))
    assert pictures.first.evaluate("e => e.naturalWidth > 0 && e.getBoundingClientRect().top < innerHeight")
    page.screenshot(path=ARTEFACTS / "formular-resultat.png")

    walk_to(page, "e => e.textContent === 'Gem til Excel'")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.fl-Offer-status')?.textContent.startsWith('Gemt som')")
    assert page.inner_text(".fl-Offer-status").startswith("Gemt som resultater/noegletal-0727.xlsx")
    sheet = load_workbook(notebook.parent / "resultater" / "noegletal-0727.xlsx").worksheets[0]
    rows = list(sheet.iter_rows(values_only=True))
    assert len(rows) == 99
    assert "0727" in {row[0] for row in rows}, "the code keeps its leading zero"
    walk_to(page, "e => e.textContent === 'Gem til Power BI'", key="Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.fl-Offer-status')?.textContent.includes('.parquet')")
    assert (notebook.parent / "resultater" / "noegletal-0727.parquet").stat().st_size > 0
    assert violations(page, axe, ".fl-Offer") == []
    with page.expect_download() as download:
        walk_to(page, "e => e.textContent === 'Hent filen'")
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "noegletal-0727.parquet"
    page.screenshot(path=ARTEFACTS / "formular-gemt.png")


def test_wrong_values_get_a_sentence_and_the_focus(page: "playwright.Page", lab: Lab, axe: str) -> None:
    notebook = opened(page, lab, "forkert")
    cells = n_cells(notebook)
    typed_into(page, "antal", "xddaab ti")
    page.keyboard.press("Enter")
    page.wait_for_selector(ERRORS)
    assert [line for line in page.inner_text(ERRORS).split("\n") if line] == [
        "Der er ét valg, du skal rette:",
        "Antal kommuner i udsnittet skal være et helt tal.",
    ]
    assert focused(page, ERRORS)
    assert page.get_attribute("[name=antal]", "aria-invalid") == "true"
    assert violations(page, axe, FORM) == []
    page.keyboard.press("Control+s")
    saved(page)
    assert n_cells(notebook) == cells, "no shortcut of JupyterLab's answered to the letters"
    assert injected(notebook) == []
    page.screenshot(path=ARTEFACTS / "formular-fejl.png")

    page.keyboard.press("Tab")  # the sentence is a link to its field
    page.keyboard.press("Enter")
    assert focused(page, "[name=antal]")
    page.keyboard.press("Control+A")
    page.keyboard.type("99")  # of the right kind, and refused by the notebook itself
    page.keyboard.press("Enter")
    page.wait_for_function(f"document.querySelector('{ERRORS}').textContent.includes('FL-U005')")
    assert page.inner_text(ERRORS).startswith("Antallet af kommuner skal være fra 3 til 30.")
    assert focused(page, ERRORS)
    assert "Traceback" not in page.inner_text("body")

    typed_into(page, "antal", "3")
    page.keyboard.press("Enter")
    page.wait_for_selector(DONE)
    assert not page.is_visible(ERRORS)
    page.keyboard.type("xddx")
    page.keyboard.press("Control+s")
    saved(page)
    assert n_cells(notebook) == cells + 1, "letters after the run cut no cell"


def test_running_again_replaces_the_injected_cell_and_values_are_kept(page: "playwright.Page", lab: Lab) -> None:
    notebook = opened(page, lab, "igen")
    for name in ("Odder", "Silkeborg"):
        walk_to(page, "e => e.name === 'kommunekode'", key="Shift+Tab")
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        page.wait_for_function(f"document.querySelector('.jp-OutputArea img')?.alt.includes('{name}')")
        page.wait_for_selector(DONE)
    saved(page)
    [(position, source)] = injected(notebook)
    assert position == 2
    assert "kommunekode = '0740'" in source

    page.reload()
    page.wait_for_function("document.querySelector('[name=kommunekode]')?.value === '0740'")


def test_code_is_shown_and_the_form_follows_the_parameters(page: "playwright.Page", lab: Lab) -> None:
    opened(page, lab, "kode")
    walk_to(page, "e => e.textContent === 'Vis kode'")
    assert page.get_attribute("button:text('Vis kode')", "aria-expanded") == "false"
    page.keyboard.press("Enter")
    assert page.get_attribute("button:text('Skjul kode')", "aria-expanded") == "true"
    cell = page.locator(".jp-CodeCell", has_text="kommunekode: Kommunekode").first
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    page.keyboard.type("med_kort: bool = True  # Vis kort: tegn et kort")
    page.wait_for_selector("[name=med_kort]")
    assert page.locator(FORM).get_by_label("Vis kort").is_checked()
    page.keyboard.press("Enter")
    page.keyboard.type("forkert = 1 + 2")
    page.wait_for_function(f"document.querySelector('{ERRORS}').textContent.includes('FL-P001')")


def test_a_notebook_without_a_kernel_says_so_and_gets_one(page: "playwright.Page", lab: Lab) -> None:
    notebook = opened(page, lab, "kerne")
    typed_into(page, "antal", "ti")  # refused by the kernel, so there is one
    page.keyboard.press("Enter")
    page.wait_for_selector(ERRORS)
    typed_into(page, "antal", "5")
    path = notebook.relative_to(lab.folder).as_posix()
    sessions = [s for s in lab.call("GET", "/api/sessions") if s["path"] == path]
    assert len(sessions) == 1
    lab.call("DELETE", f"/api/sessions/{sessions[0]['id']}")
    walk_to(page, "e => e.textContent === 'Kør'")
    page.keyboard.press("Enter")
    page.wait_for_function(f"document.querySelector('{ERRORS}').textContent.includes('ingen kerne')")
    walk_to(page, "e => e.textContent === 'Start kernen'")
    page.keyboard.press("Enter")
    page.wait_for_function(f"document.querySelector('{STATUS}').textContent === 'Kernen er startet. Tryk på Kør.'")
    page.keyboard.press("Enter")
    page.wait_for_selector(DONE)


def test_dark_theme_and_200_percent_zoom(page: "playwright.Page", lab: Lab, axe: str) -> None:
    theme = "/lab/api/settings/@jupyterlab/apputils-extension:themes"
    lab.call("PUT", theme, {"raw": json.dumps({"theme": "JupyterLab Dark"})})
    try:
        page.set_viewport_size({"width": 640, "height": 450})
        opened(page, lab, "moerk")
        page.wait_for_selector("body[data-jp-theme-light=false]", state="attached")
        typed_into(page, "antal", "ti")
        page.keyboard.press("Enter")
        page.wait_for_selector(ERRORS)
        assert violations(page, axe, FORM) == []
        assert page.evaluate(f"(e => e.scrollWidth <= e.clientWidth)(document.querySelector('{FORM}'))")
        page.screenshot(path=ARTEFACTS / "formular-moerk-200.png")
    finally:
        lab.call("PUT", theme, {"raw": "{}"})


def test_the_launcher_offers_the_templates(page: "playwright.Page", lab: Lab) -> None:
    lab.template("start")
    page.goto(lab.address(lab.folder / "start" / "x").replace("/tree/start/x", ""))
    page.locator(".jp-LauncherCard", has_text="98 kommuner i nøgletal").click()
    page.wait_for_selector(FORM)
