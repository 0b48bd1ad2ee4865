"""The one path of the walking skeleton, on a real engine and in a real browser, by keyboard alone.

`make up` with two municipalities and a course; log in, start, open T0, fill in the form, see the picture, save to
Excel, log out; the same notebook as a production run in a fresh container; its report; each step in the audit chain;
and the hub killed in the middle without anyone losing their server.
"""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.browser.keyboard import walk_to
from tests.integration.running_demo import command_line, wait_for

from faelleslab_hub import containers, ports, secret_files
from faelleslab_hub.settings import CHECKOUT, Settings

pytestmark = [pytest.mark.docker, pytest.mark.browser, pytest.mark.timeout(600)]

ARTEFACTS = CHECKOUT / "tests" / "artefacts"
T0 = CHECKOUT / "notebooks" / "templates" / "t0_noegletal.py"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ANALYST, DPO = "analytiker-0751", "dpo-0751"


@dataclass
class Installation:
    """A workbench that `faelleslab-hub up` has started."""

    settings: Settings
    environment: dict[str, str]

    def hub(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the hub as an operator does."""
        return subprocess.run(
            [sys.executable, "-m", "faelleslab_hub.cli", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    @property
    def password(self) -> str:
        return secret_files.read(self.settings, "hub", "account-password")

    def process(self, name: str) -> int | None:
        """Id of one of the processes, found by this home in its environment."""
        mark = f"FAELLESLAB_HOME={self.settings.home}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            words = command_line(int(folder.name))
            try:
                ours = mark in (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if ours and words[-2:] == ["faelleslab_hub.cli", name]:
                return int(folder.name)
        return None

    def events(self, chain: str) -> list[dict[str, Any]]:
        """The chain as an outsider gets it."""
        done = self.hub("audit", "export", chain)
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines() if line]
        return [line for line in lines if "seq" in line and "type" in line]


@pytest.fixture(scope="module")
def installation(
    images: dict[str, str], docker_client: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    assert images
    home = tmp_path_factory.mktemp("up") / "home"
    port = ports.suggest(20000 + secrets.randbelow(30000))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FAELLESLAB_")}
    environment = {**kept, "FAELLESLAB_MODE": "docker", "FAELLESLAB_HOME": str(home), "FAELLESLAB_PORT": str(port)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            if name.startswith("FAELLESLAB_"):
                patch.setenv(name, value)
        settings = Settings.from_environment()
    running = Installation(settings, environment)
    refused = running.hub("up")
    assert refused.returncode == 2, "a missing secret is named, not made"
    assert "secrets create" in refused.stderr
    assert running.hub("secrets", "create").returncode == 0
    up = running.hub("up")
    try:
        assert up.returncode == 0, up.stderr + _logs(settings)
        assert f"Klar: http://127.0.0.1:{port}" in up.stdout.splitlines()
        yield running
    finally:
        down = running.hub("down")
        left = containers.ours(docker_client, settings, "server") + containers.ours(docker_client, settings, "run")
        assert down.returncode == 0, down.stderr
        assert left == [], "`make down` leaves no container"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, installation: Installation) -> Iterator[Page]:
    url = f"http://127.0.0.1:{installation.settings.port}"
    context = browser.new_context(base_url=url, locale="da-DK", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(90_000)
    yield page
    context.close()


def log_in(page: Page, installation: Installation, account: str) -> None:
    """By keyboard alone: to the radio button, to the password, Enter."""
    page.goto("/")
    walk_to(page, "e => e.name === 'username'")
    for _ in range(12):
        if page.evaluate("document.querySelector('[name=username]:checked')?.value") == account:
            break
        page.keyboard.press("ArrowDown")
    walk_to(page, "e => e.id === 'adgangskode'")
    page.keyboard.type(installation.password)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/hub/home|/services/web"))


def keep(page: Page, name: str) -> None:
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"rejsen-{name}.png")


def test_from_login_to_a_finished_run(page: Page, installation: Installation) -> None:
    settings = installation.settings
    log_in(page, installation, ANALYST)
    expect(page.get_by_text("Aarhus Kommune").first).to_be_visible()
    keep(page, "1-forside")

    # Her server starts, in a container, and T0 opens as a form.
    walk_to(page, "e => /t0_noegletal/.test(e.getAttribute('href') || '')")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"/user/{ANALYST}/lab"), timeout=120_000)
    page.wait_for_function("document.activeElement?.name === 'kommunekode'")
    keep(page, "2-formular")
    page.keyboard.type("Odder")
    page.keyboard.press("Enter")
    page.wait_for_selector(".fl-Form-status.fl-mod-done")
    pictures = page.locator(".jp-OutputArea img")
    assert pictures.count() == 3
    assert "Odder" in (pictures.first.get_attribute("alt") or "")
    assert pictures.first.evaluate("e => e.naturalWidth") > 0
    keep(page, "3-billede")
    walk_to(page, "e => e.textContent === 'Gem til Excel'")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.fl-Offer-status')?.textContent.startsWith('Gemt som')")
    keep(page, "4-gemt")
    saved = list(settings.account_home("0751", ANALYST).rglob("noegletal-0727.xlsx"))
    assert len(saved) == 1
    assert len(list(load_workbook(saved[0]).worksheets[0].iter_rows())) == 99

    page.goto("/hub/home")
    walk_to(page, "e => e.id === 'logout'")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/hub/(logout|login)"))
    keep(page, "5-logget-ud")

    # The same notebook as a production run in a fresh container.
    run = installation.hub("run", "0751", str(T0), "-p", "kommunekode", "0727")
    assert run.returncode == 0, run.stderr + _logs(settings)
    report = Path(run.stdout.strip().splitlines()[-1])
    result = json.loads((report.parent / "result.json").read_text(encoding="utf-8"))
    assert result["state"] == "SUCCEEDED"
    assert result["hashes"]["image"].startswith("sha256:")
    assert all(result["hashes"][part] for part in ("notebook", "parameters", "data"))
    assert "Odder" in report.read_text(encoding="utf-8")
    run_id = next(
        part for part in report.parts if part in {p.name for p in (settings.home / "runs" / "0751").iterdir()}
    )

    # Its report, in the browser of the data protection officer, and the verdict on the chain.
    log_in(page, installation, DPO)
    page.goto(f"/services/web/koersler/{run_id}")
    expect(page.frame_locator("iframe").get_by_text("Odder").first).to_be_visible()
    keep(page, "6-rapport")
    page.goto("/services/web/haendelser")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Hændelser")
    keep(page, "7-haendelser")

    kinds = [event["type"] for event in installation.events("0751")]
    in_order = [
        "login.succeeded",
        "server.started",
        "logout",
        "run.submitted",
        "run.inspected",
        "run.started",
        "run.ended",
    ]
    positions = [kinds.index(kind) for kind in in_order]
    assert positions == sorted(positions), kinds
    verified = installation.hub("audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.parametrize("killed", ["hub", "placer", "broker", "web"])
def test_a_killed_process_comes_back_and_nobody_loses_their_server(
    page: Page, installation: Installation, killed: str
) -> None:
    log_in(page, installation, ANALYST)
    page.goto("/hub/spawn")
    page.wait_for_url(re.compile(f"/user/{ANALYST}/lab"), timeout=120_000)
    before = page.request.get(f"/user/{ANALYST}/api/status").json()["started"]
    pid = installation.process(killed)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert page.request.get(f"/user/{ANALYST}/api/status").status == 200, (
        "the proxy and the server go on without the hub"
    )
    wait_for(lambda: installation.process(killed) not in (None, pid), 60)
    wait_for(lambda: page.request.get("/hub/health").status == 200, 60)
    wait_for(lambda: page.request.get("/services/web/health").status == 200, 60)
    assert page.request.get(f"/user/{ANALYST}/api/status").json()["started"] == before
    page.goto("/hub/home")
    expect(page.get_by_text("Kører", exact=True)).to_be_visible()
    verified = installation.hub("audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_another_tenants_analyst_reaches_nothing(page: Page, installation: Installation) -> None:
    log_in(page, installation, "analytiker-0461")
    for path in (f"/user/{ANALYST}/lab", f"/user/{ANALYST}/api/contents"):
        answer = page.request.get(path, max_redirects=10)
        assert answer.status in (403, 404), path
    page.goto("/services/web/koersler")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    keep(page, "8-odense-ser-intet")
    runs = page.request.get("/services/web/api/runs")
    assert runs.status == 200
    assert runs.json()["runs"] == [], "0461 has run nothing and sees nothing of 0751"


def test_up_again_changes_nothing(installation: Installation) -> None:
    again = installation.hub("up")
    assert again.returncode == 0
    assert "i forvejen" in again.stdout


def _logs(settings: Settings) -> str:
    return "\n".join(
        f"== {path.name}\n{path.read_text(encoding='utf-8', errors='replace')[-1500:]}"
        for path in sorted(settings.logs.glob("*.log"))
    )
