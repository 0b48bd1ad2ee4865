"""The hub's pages in a real browser: seen, used by keyboard alone, and free of faults axe can find."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.integration.hub_house import House, open_house

from faelleslab.ui import build_notebooks
from faelleslab_hub.settings import CHECKOUT

pytestmark = pytest.mark.browser

ARTEFACTS = CHECKOUT / "tests" / "artefacts"
AXE = CHECKOUT / "hub" / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ANALYST = "analytiker-0751"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    home = tmp_path_factory.mktemp("house")
    build_notebooks(CHECKOUT / "notebooks" / "templates", home / "notebooks")
    with open_house(home) as house:
        yield house


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, house: House) -> Iterator[Page]:
    context = browser.new_context(base_url=house.url, locale="da-DK", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    violations: list[str] = []
    page.on("console", lambda message: violations.append(message.text) if "Content Security" in message.text else None)
    page.on("pageerror", lambda error: violations.append(str(error)))
    outside: list[str] = []
    page.on("request", lambda request: outside.append(request.url) if not _is_local(request.url, house) else None)
    yield page
    context.close()
    assert violations == []
    assert outside == [], "a page asked another machine for something"


def _is_local(url: str, house: House) -> bool:
    return url.startswith((house.url, house.url.replace("http:", "ws:"), "data:", "blob:"))


def log_in(page: Page, house: House, account: str = ANALYST) -> None:
    page.goto("/hub/login")
    page.locator(f"input[value='{account}']").check(force=True)
    page.get_by_label("Adgangskode", exact=True).fill(house.password)
    page.get_by_role("button", name="Log ind").click()
    page.wait_for_url(re.compile("/hub/home|/services/web"))


def inspect(page: Page, name: str) -> None:
    """Keep a picture; fail on faults of WCAG 2.1 A or AA, on English, and where one must scroll sideways."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"hub-{name}.png", full_page=True)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})"
    )
    faults = [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found["violations"]]
    assert faults == []
    assert page.locator("html").get_attribute("lang") == "da"
    assert page.locator("h1").count() == 1
    assert not re.search(r"\b(the|your|server is|please|sign in)\b", page.inner_text("body"), re.I)
    size = page.viewport_size
    page.set_viewport_size({"width": 320, "height": 640})
    page.screenshot(path=ARTEFACTS / f"hub-{name}-smal.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert size is not None
    page.set_viewport_size(size)


def test_login_by_keyboard_alone(page: Page, house: House) -> None:
    page.goto("/")
    inspect(page, "login")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Gå til sidens indhold")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("radio", name="Analytiker (Aarhus Kommune)")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="Dataejer (Aarhus Kommune)")).to_be_checked()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("radio", name="Analytiker (Aarhus Kommune)")).to_be_checked()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Adgangskode", exact=True)).to_be_focused()
    page.keyboard.type(house.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Hej {ANALYST}")


def test_a_wrong_password_is_said_where_one_looks(page: Page, house: House) -> None:
    page.goto("/hub/login")
    page.locator(f"input[value='{ANALYST}']").check(force=True)
    page.get_by_label("Adgangskode", exact=True).fill("forkert")
    page.get_by_role("button", name="Log ind").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("FL-L001")
    expect(alert).to_be_focused()
    expect(page.locator(f"input[value='{ANALYST}']")).to_be_checked()
    inspect(page, "login-fejl")


def test_the_password_can_be_shown(page: Page, house: House) -> None:
    page.goto("/hub/login")
    field = page.get_by_label("Adgangskode", exact=True)
    button = page.get_by_role("button", name="Vis adgangskode")
    button.click()
    expect(field).to_have_attribute("type", "text")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    expect(field).to_have_attribute("type", "password")


def test_from_home_over_the_waiting_page_to_lab_and_back(page: Page, house: House) -> None:
    log_in(page, house)
    expect(page.locator("main")).to_contain_text("Du arbejder for Aarhus Kommune som analytiker.")
    expect(page.get_by_role("link", name="Kørsler")).to_be_visible()
    inspect(page, "forside")
    page.get_by_role("link", name="Åbn arbejdsbordet").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.screenshot(path=ARTEFACTS / "hub-venter.png")
    page.wait_for_url("**/lab**", timeout=90_000)
    page.locator("#jp-main-dock-panel").wait_for(timeout=60_000)
    page.goto("/hub/home")
    expect(page.locator("main")).to_contain_text("Kører")
    inspect(page, "forside-koerer")
    page.get_by_role("button", name="Stop arbejdsbordet").click()
    expect(page.locator("main")).to_contain_text("Det starter på få sekunder", timeout=30_000)
    page.goto(f"/user/{ANALYST}/lab")
    expect(page.get_by_role("heading", level=1)).to_have_text("Arbejdsbordet kører ikke")
    inspect(page, "koerer-ikke")


def test_a_template_on_the_home_page_opens_as_a_form(page: Page, house: House) -> None:
    log_in(page, house, "analytiker-0461")
    page.get_by_role("link", name="98 kommuner i nøgletal").click()
    page.wait_for_url("**/user/analytiker-0461/lab/**", timeout=90_000)
    # The form comes from the kit's Lab extension, which the editable install does not put in JupyterLab's folders.
    page.wait_for_function("document.activeElement?.name === 'kommunekode'", timeout=60_000)
    page.screenshot(path=ARTEFACTS / "hub-skabelon.png")
    assert page.evaluate("document.documentElement.lang").startswith("da")


def test_the_waiting_page_has_no_faults(page: Page, house: House) -> None:
    log_in(page, house, "underviser")
    # The page's own address and events are held back, so that it stays for as long as the inspection takes.
    page.route("**/server/progress**", lambda route: None)
    page.goto("/hub/spawn")
    expect(page.get_by_role("progressbar")).to_be_visible()
    inspect(page, "venter-i-ro")
    page.unroute_all(behavior="ignoreErrors")


def test_a_start_that_fails_says_so_in_danish(page: Page, house: House) -> None:
    log_in(page, house, "deltager-01")
    home = house.settings.account_home("kursus", "deltager-01")
    home.parent.mkdir(parents=True, exist_ok=True)
    home.write_text("in the way")
    try:
        page.goto("/hub/spawn")
        expect(page.locator("main")).to_contain_text("FL-L025")
        inspect(page, "fejl-start")
        page.goto("/hub/spawn-pending/deltager-01")
        expect(page.get_by_role("heading", level=1)).to_have_text("Arbejdsbordet kunne ikke starte")
        expect(page.locator("main")).to_contain_text("FL-L013")
        inspect(page, "kunne-ikke-starte")
    finally:
        home.unlink()


@pytest.mark.parametrize(
    ("account", "path", "code", "name"),
    [
        (ANALYST, "/hub/findes-ikke", "FL-L021", "404"),
        ("dpo-0751", "/hub/spawn", "FL-L011", "rolle"),
        (ANALYST, "/hub/admin", "FL-L020", "403"),
        (ANALYST, "/hub/error/503", "FL-L023", "503"),
    ],
)
def test_error_pages(page: Page, house: House, account: str, path: str, code: str, name: str) -> None:
    log_in(page, house, account)
    page.goto(path)
    expect(page.locator("main")).to_contain_text(code)
    inspect(page, f"fejl-{name}")


@pytest.mark.parametrize("account", ["dataejer-0751", "it-drift"])
def test_home_of_the_other_roles(page: Page, house: House, account: str) -> None:
    log_in(page, house, account)
    page.goto("/hub/home")
    expect(page.get_by_role("link", name="Åbn arbejdsbordet")).to_have_count(0)
    inspect(page, f"forside-{account}")


def test_the_operator_stops_a_server(page: Page, house: House) -> None:
    owner = house.login("analytiker-0461")
    owner.start_server()
    log_in(page, house, "it-drift")
    page.get_by_role("link", name="Servere").click()
    row = page.get_by_role("row").filter(has_text="analytiker-0461")
    expect(row).to_contain_text("Odense Kommune")
    inspect(page, "drift")
    row.get_by_role("button", name="Stop analytiker-0461").click()
    expect(row).to_have_count(0, timeout=30_000)


def test_logout(page: Page, house: House) -> None:
    log_in(page, house)
    page.get_by_role("link", name="Log ud").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Du er logget ud")
    inspect(page, "log-ud")
    page.goto("/hub/home")
    page.wait_for_url("**/hub/login**")
