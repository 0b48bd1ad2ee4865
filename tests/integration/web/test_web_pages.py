"""What the pages show, and what a report cannot do."""

import re
import shutil
from datetime import UTC, datetime

import pytest
from tests.integration.web.paper_hub import ORIGIN, add_run, csrf_of, log_in

from faelleslab_hub import audit, database
from faelleslab_hub.web import verdicts
from faelleslab_hub.web.hub_login import PREFIX


def test_a_run_is_shown_with_cells_times_and_hashes_and_no_markup_of_its_own(browser, hub) -> None:
    client = browser()
    log_in(client, hub, "analytiker-0751")
    page = client.get(f"{PREFIX}/koersler/run-0751").text
    for text in ("1,25 s", "123,5 MB", "ab" * 32, "cd" * 32, "ef" * 32, "files/tal.xlsx", "2,0 kB", "Gennemført"):
        assert text in page, text
    assert "<script" not in page
    assert "<i>tal" not in page
    assert "&lt;script&gt;" in page
    frame = re.search(r"<iframe[^>]*>", page).group()
    assert re.search(r'\ssandbox(\s|>|="")', frame)
    assert "allow" not in frame


def test_a_report_can_do_nothing_and_reading_it_is_an_event(browser, hub, house) -> None:
    client = browser()
    log_in(client, hub, "analytiker-0751")
    answer = client.get(f"{PREFIX}/koersler/run-0751/rapport")
    assert "Rapport run-0751" in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "allow-scripts" not in policy
    assert "script-src" not in policy
    assert house.rows("SELECT chain, subject FROM audit_event WHERE type = 'report.read'") == [("0751", "run-0751")]
    assert house.findings() == []


def test_a_report_whose_reading_cannot_be_recorded_is_not_shown(browser, hub, house) -> None:
    client = browser()
    log_in(client, hub, "analytiker-0751")
    house.sql("DROP TABLE audit_personal")
    answer = client.get(f"{PREFIX}/koersler/run-0751/rapport")
    assert answer.status_code == 503
    assert "FL-A120" in answer.text
    assert "Rapport run" not in answer.text


@pytest.mark.parametrize(
    "kind", ["link to a file", "link to a tenant", "link in place of the folder", "folder", "pipe"]
)
def test_a_report_that_is_no_ordinary_file_of_its_run_is_not_followed(browser, hub, house, kind, tmp_path) -> None:
    import os

    output = house.settings.run_folder("0751", "run-0751") / "output"
    report = output / "noegletal.html"
    other = house.settings.run_folder("0461", "run-0461") / "output"
    report.unlink()
    if kind == "link to a file":
        report.symlink_to("/etc/passwd")
    elif kind == "link to a tenant":
        report.symlink_to(other / "noegletal.html")
    elif kind == "folder":
        report.mkdir()
    elif kind == "pipe":
        os.mkfifo(report)
    else:
        shutil.rmtree(output)
        output.symlink_to(other)
    client = browser()
    log_in(client, hub, "analytiker-0751")
    answer = client.get(f"{PREFIX}/koersler/run-0751/rapport")
    assert answer.status_code == 404
    assert "FL-A111" in answer.text


def test_events_tell_who_to_the_dpo_and_the_plain_verdict(browser, hub, house, monkeypatch) -> None:
    client = browser()
    log_in(client, hub, "dpo-0751")
    page = client.get(f"{PREFIX}/haendelser").text
    assert "Revisionssporet er helt" in page
    assert "analytiker-0751" in page
    assert "Logget ind" in page
    assert "Hændelser læst" in page
    house.sql("UPDATE audit_event SET subject = 'x' WHERE chain = '0751' AND seq = 1")
    answer = client.post(f"{PREFIX}/haendelser/kontrol", data={"csrf": csrf_of(client)}, headers={"origin": ORIGIN})
    assert answer.status_code == 303
    page = client.get(f"{PREFIX}/haendelser").text
    assert "Revisionssporet er IKKE helt" in page
    assert "Hændelse 1 er ændret" in page
    assert [row[0] for row in house.rows("SELECT type FROM audit_event WHERE chain = '0751' ORDER BY seq")] == [
        "login.succeeded",
        "audit.read",
        "audit.verified",
        "audit.read",
    ]


def test_the_operator_sees_no_names(browser, hub) -> None:
    client = browser()
    log_in(client, hub, "it-drift")
    page = client.get(f"{PREFIX}/haendelser").text
    assert "Login afvist" in page
    assert "hemmeligt-kodeord" not in page
    assert ">it-drift<" not in page


def test_many_events_come_in_pages(browser, hub, house, monkeypatch) -> None:
    with database.session(house.settings) as session:
        for number in range(120):
            audit.append(session, chain="0751", type="a.b", details={"n": number})
    monkeypatch.setattr(verdicts, "LONGEST_AT_ONCE", 10)
    client = browser()
    log_in(client, hub, "dpo-0751")
    seen, path = [], f"{PREFIX}/haendelser"
    while path:
        page = client.get(path).text
        assert "ikke kontrolleret endnu" in page
        seen += [int(n) for n in re.findall(r"n: (\d+)<", page)]
        found = re.search(r'href="([^"]+)">Ældre', page)
        path = found.group(1) if found else ""
    assert seen == list(range(119, -1, -1))


def test_many_runs_come_in_pages(browser, hub, house) -> None:
    for number in range(60):
        add_run(house, f"many-{number}", "0751", "x", created_at=datetime(2026, 1, 1, 0, number, tzinfo=UTC))
    client = browser()
    log_in(client, hub, "analytiker-0751")
    first, second = (client.get(f"{PREFIX}/api/runs?page={page}").json() for page in (1, 2))
    assert (len(first["runs"]), first["more"], len(second["runs"]), second["more"]) == (50, True, 11, False)
    assert "Ældre kørsler" in client.get(f"{PREFIX}/koersler").text
    assert "Nyere kørsler" in client.get(f"{PREFIX}/koersler?side=2").text
