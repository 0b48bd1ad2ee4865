"""Requests from elsewhere, errors, and what every answer carries."""

import pytest
from tests.integration.web.paper_hub import EVERYONE, ORIGIN, csrf_of, log_in

from faelleslab_hub import accounts
from faelleslab_hub.web.hub_login import PREFIX


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, True),
        ({"origin": "http://evil.example"}, True),
        ({"origin": "null"}, True),
        ({"origin": "http://testserver.evil.example"}, True),
        ({"origin": "http://testserver:81"}, True),
        ({"origin": ORIGIN, "sec-fetch-site": "cross-site"}, True),
        ({"origin": ORIGIN, "sec-fetch-site": "same-site"}, True),
        ({"origin": ORIGIN}, False),
        ({"origin": ORIGIN, "content-type": "text/plain"}, True),
    ],
)
def test_a_post_from_elsewhere_or_without_the_token_does_nothing(browser, hub, house, headers, token) -> None:
    client = browser()
    log_in(client, hub, "dpo-0751")
    content = f"csrf={csrf_of(client)}" if token else "csrf=x"
    headers = {"content-type": "application/x-www-form-urlencoded", **headers}
    for path in ("logout", "haendelser/kontrol"):
        answer = client.post(f"{PREFIX}/{path}", content=content, headers=headers)
        assert answer.status_code == 403
        assert "FL-A102" in answer.text
    assert client.get(f"{PREFIX}/").status_code == 200
    assert house.rows("SELECT 1 FROM audit_event WHERE type = 'audit.verified'") == []


def test_another_sessions_token_is_not_taken(browser, hub) -> None:
    one, other = browser(), browser()
    log_in(one, hub, "dpo-0751")
    log_in(other, hub, "dpo-0751")
    answer = one.post(f"{PREFIX}/logout", data={"csrf": csrf_of(other)}, headers={"origin": ORIGIN})
    assert answer.status_code == 403


def test_logging_out(browser, hub) -> None:
    client = browser()
    log_in(client, hub, "analytiker-0751")
    answer = client.post(f"{PREFIX}/logout", data={"csrf": csrf_of(client)}, headers={"origin": ORIGIN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/hub/logout")
    assert client.get(f"{PREFIX}/").status_code == 303


def test_a_huge_form_is_refused_early(browser, hub) -> None:
    client = browser()
    log_in(client, hub, "dpo-0751")
    answer = client.post(
        f"{PREFIX}/logout",
        content=b"a=" + b"x" * 2_000_000,
        headers={"origin": ORIGIN, "content-type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("findes-ikke", 404, "FL-A111"),
        ("koersler/findes-ikke", 404, "FL-A111"),
        ("koersler/%2e%2e", 422, "FL-A103"),
        ("koersler/ABC", 422, "FL-A103"),
        ("koersler?side=0", 422, "FL-A103"),
        ("koersler?side=x'--", 422, "FL-A103"),
        ("koersler?side=99999999999999999999", 422, "FL-A103"),
        ("logout", 405, "FL-A103"),
        ("api/runs?page=-1", 422, "FL-A103"),
        ("api/findes-ikke", 404, "FL-A111"),
        ("faste/web/../app.py", 404, "FL-A111"),
        ("faste/web/%2e%2e/app.py", 404, "FL-A111"),
    ],
)
def test_errors_are_danish_with_a_code_and_repeat_nothing(browser, hub, path, status, code) -> None:
    client = browser()
    log_in(client, hub, "analytiker-0751")
    answer = client.get(f"{PREFIX}/{path}")
    assert answer.status_code == status
    if path.startswith("api/"):
        assert answer.json()["code"] == code
    else:
        assert code in answer.text
        assert "'--" not in answer.text


def test_a_fault_of_ours_is_no_stack_trace(browser, hub, monkeypatch) -> None:
    client = browser()
    log_in(client, hub, "analytiker-0751")

    def fail(*_: object, **__: object) -> None:
        message = "hemmelig værdi"
        raise RuntimeError(message)

    monkeypatch.setattr("faelleslab_hub.web.reading.Reader.runs", fail)
    answer = client.get(f"{PREFIX}/koersler")
    assert answer.status_code == 500
    assert "FL-A199" in answer.text
    assert "hemmelig" not in answer.text
    assert "Traceback" not in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_every_answer_is_closed(browser, hub) -> None:
    client = browser()
    log_in(client, hub, "dpo-0751")
    for path in ("", "koersler", "haendelser", "api/runs", "health", "findes-ikke", "faste/web/web.css"):
        answer = client.get(f"{PREFIX}/{path}")
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store" or path.startswith("faste")
        assert " style=" not in answer.text


def test_every_page_names_tenant_and_role(browser, hub) -> None:
    client = browser()
    log_in(client, hub, "dpo-0751")
    for path in ("", "koersler", "koersler/run-0751", "haendelser", "koersler/findes-ikke"):
        page = client.get(f"{PREFIX}/{path}").text
        assert "<strong>Aarhus Kommune</strong>" in page
        assert "Databeskyttelsesrådgiver" in page
        assert 'lang="da"' in page
        assert page.count("<h1") == 1


def test_openapi_describes_the_api_alone(browser) -> None:
    found = browser().get(f"{PREFIX}/api/openapi.json").json()
    assert set(found["paths"]) == {f"{PREFIX}/api/{name}" for name in ("me", "runs", "runs/{run_id}")}


def test_the_roles_of_the_hub_are_the_roles_here() -> None:
    assert {account.role for account in EVERYONE.values()} <= set(accounts.ROLES)
