"""Logging in by the hub: state, sessions, tokens, groups, and a hub that is away."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.integration.web.paper_hub import log_in

from faelleslab_hub.web import hub_login
from faelleslab_hub.web.hub_login import PREFIX, own_path


def test_login_leads_to_the_page_that_was_asked_for(browser, hub) -> None:
    client = browser()
    back = log_in(client, hub, "analytiker-0751", f"{PREFIX}/koersler?side=1")
    assert (back.status_code, back.headers["location"]) == (303, f"{PREFIX}/koersler?side=1")
    page = client.get(back.headers["location"])
    assert page.status_code == 200
    assert 'lang="da"' in page.text
    assert "Aarhus Kommune" in page.text
    assert "Analytiker" in page.text


def test_the_token_never_reaches_the_browser(browser, hub) -> None:
    client = browser()
    back = log_in(client, hub, "analytiker-0751")
    everything = str(back.headers) + client.get(f"{PREFIX}/").text + "".join(c.value for c in client.cookies.jar)
    import base64

    for part in re.findall(r"[\w-]{20,}", everything):
        everything += base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode("latin-1")
    assert next(iter(hub.tokens)) not in everything
    assert "code_verifier" not in everything


def test_the_cookie_is_closed(browser, hub) -> None:
    cookie = log_in(browser(), hub, "analytiker-0751").headers["set-cookie"].lower()
    assert f"path={PREFIX}/;" in cookie
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "max-age=3600" in cookie


@pytest.mark.parametrize(
    "change", [("state=", "state=x"), ("state=", "nostate="), ("code=", "code=x"), ("code=", "nocode=")]
)
def test_a_state_or_code_that_does_not_fit_logs_nobody_in(browser, hub, change) -> None:
    client = browser()
    to_hub = client.get(f"{PREFIX}/login")
    answer = client.get(hub.authorize(to_hub.headers["location"], "analytiker-0751").replace(*change))
    assert answer.status_code == 400
    assert "FL-A101" in answer.text
    assert client.get(f"{PREFIX}/").status_code == 303


def test_a_login_begun_in_another_browser_logs_nobody_in(browser, hub) -> None:
    attacker, victim = browser(), browser()
    to_hub = attacker.get(f"{PREFIX}/login")
    planted = hub.authorize(to_hub.headers["location"], "analytiker-0461")
    assert victim.get(planted).status_code == 400
    assert victim.get(f"{PREFIX}/").status_code == 303


def test_a_login_is_used_once(browser, hub) -> None:
    client = browser()
    back = hub.authorize(client.get(f"{PREFIX}/login").headers["location"], "analytiker-0751")
    assert client.get(back).status_code == 303
    assert client.get(back).status_code == 400


def test_a_refusal_by_the_hub_is_told_in_danish(browser) -> None:
    client = browser()
    state = parse_qs(urlsplit(client.get(f"{PREFIX}/login").headers["location"]).query)["state"][0]
    answer = client.get(f"{PREFIX}/oauth_callback?error=access_denied&error_description=secret&state={state}")
    assert answer.status_code == 400
    assert "FL-A101" in answer.text
    assert "secret" not in answer.text


def test_a_session_number_from_before_the_login_is_worth_nothing(browser, hub) -> None:
    client = browser()
    log_in(client, hub, "analytiker-0751")
    old = dict(client.cookies)
    log_in_again = client.get(f"{PREFIX}/login")
    client.get(hub.authorize(log_in_again.headers["location"], "analytiker-0461"))
    assert "Odense Kommune" in client.get(f"{PREFIX}/").text
    other = browser()
    other.cookies.update(old)
    assert other.get(f"{PREFIX}/").status_code == 303


def test_a_forged_or_foreign_cookie_is_no_session(browser, hub, house) -> None:
    client = browser()
    log_in(client, hub, "analytiker-0751")
    value = client.cookies["faelleslab-web"]
    for forged in (value[:-2] + "xx", "", "x", "eyJzaWQiOiAiMSJ9.a.b", value + "x"):
        other = browser()
        other.cookies.set("faelleslab-web", forged, path=f"{PREFIX}/")
        assert other.get(f"{PREFIX}/").status_code == 303


def test_a_logout_at_the_hub_ends_the_session(browser, hub, monkeypatch) -> None:
    client = browser()
    log_in(client, hub, "analytiker-0751")
    monkeypatch.setattr(hub_login, "_TRUST_SECONDS", -1.0)
    assert client.get(f"{PREFIX}/").status_code == 200
    hub.tokens.clear()
    assert client.get(f"{PREFIX}/").status_code == 303
    assert client.get(f"{PREFIX}/api/runs").status_code == 401


def test_changed_groups_count_at_once(browser, hub, monkeypatch) -> None:
    client = browser()
    log_in(client, hub, "dpo-0751")
    monkeypatch.setattr(hub_login, "_TRUST_SECONDS", -1.0)
    assert client.get(f"{PREFIX}/haendelser").status_code == 200
    next(iter(hub.tokens.values()))["groups"] = ["tenant-0751", "role-analyst"]
    assert client.get(f"{PREFIX}/haendelser").status_code == 403
    next(iter(hub.tokens.values()))["groups"] = ["tenant-0751", "tenant-0461", "role-dpo"]
    assert client.get(f"{PREFIX}/haendelser").status_code == 403
    assert client.get(f"{PREFIX}/haendelser").status_code == 303


@pytest.mark.parametrize(
    "groups",
    [
        [],
        ["tenant-0751"],
        ["role-analyst"],
        ["tenant-0751", "tenant-0461", "role-analyst"],
        ["tenant-0751", "role-analyst", "role-dpo"],
        ["tenant-0751", "role-king"],
        ["tenant-9999", "role-analyst"],
        ["tenant-", "role-analyst"],
        ["tenant-drift", "role-dpo"],
        ["tenant-0751", "role-operator"],
        ["tenant-../0461", "role-analyst"],
        ["xtenant-0751", "role-analyst"],
    ],
)
def test_anything_but_one_tenant_and_one_role_is_refused(browser, hub, groups) -> None:
    client = browser()
    user = {"name": "x", "kind": "user", "groups": groups}
    answer = log_in(client, hub, "x", user=user)
    assert answer.status_code == 403
    assert "FL-A110" in answer.text
    assert client.get(f"{PREFIX}/").status_code == 303


def test_a_service_is_nobody(browser, hub) -> None:
    user = {"name": "idle", "kind": "service", "groups": ["tenant-0751", "role-analyst"]}
    answer = log_in(browser(), hub, "x", user=user)
    assert answer.headers["location"].startswith(f"{PREFIX}/login")


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/",
        "https://evil.example/",
        "/services/web/../../hub/logout",
        "/services/web//evil.example",
        "/services/web/\\evil.example",
        "/services/webx/",
        "/services/web/\r\nSet-Cookie: a=b",
        "/services/web/" + "a" * 600,
        None,
        ["x"],
    ],
)
def test_a_login_leads_nowhere_else(path) -> None:
    assert own_path(path) == f"{PREFIX}/"


def test_the_hub_away_is_told_and_nothing_is_shown(browser, hub, monkeypatch) -> None:
    client = browser()
    log_in(client, hub, "analytiker-0751")
    monkeypatch.setattr(hub_login, "_TRUST_SECONDS", -1.0)
    hub.away = True
    answer = client.get(f"{PREFIX}/koersler")
    assert (answer.status_code, "FL-A121" in answer.text, "run-0751" in answer.text) == (503, True, False)
    hub.away = False
    assert client.get(f"{PREFIX}/koersler").status_code == 200
