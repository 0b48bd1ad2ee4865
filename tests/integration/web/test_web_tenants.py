"""No route shows another tenant to any role, and each role sees what it may."""

import ast
from pathlib import Path

import pytest
from tests.integration.web.paper_hub import EVERYONE, ORIGIN, csrf_of, log_in

from faelleslab_hub.web import hub_login
from faelleslab_hub.web.hub_login import PREFIX


def routes(app) -> list[tuple[str, str]]:
    found = []
    for route in _flat(app.routes):
        path = getattr(route, "path", "")
        for method in getattr(route, "methods", None) or ():
            if path.startswith(PREFIX) and method not in ("HEAD", "OPTIONS"):
                found.append((method, path))
    return sorted(set(found))


def _flat(given) -> list:
    found = []
    for route in given:
        inner = getattr(route, "effective_candidates", None)
        found += _flat(inner()) if callable(inner) else [route]
    return found


OPEN = {f"{PREFIX}/health", f"{PREFIX}/login", f"{PREFIX}/oauth_callback", f"{PREFIX}/api/openapi.json"}


def test_the_walk_below_knows_every_route(browser) -> None:
    assert {path for _, path in routes(browser().app)} == {
        *OPEN,
        f"{PREFIX}/",
        f"{PREFIX}/logout",
        f"{PREFIX}/koersler",
        f"{PREFIX}/koersler/{{run_id}}",
        f"{PREFIX}/koersler/{{run_id}}/rapport",
        f"{PREFIX}/haendelser",
        f"{PREFIX}/haendelser/kontrol",
        f"{PREFIX}/api/me",
        f"{PREFIX}/api/runs",
        f"{PREFIX}/api/runs/{{run_id}}",
    }


@pytest.mark.parametrize("name", sorted(EVERYONE))
def test_no_route_shows_another_tenant_to_any_role(browser, hub, house, name: str) -> None:
    account = EVERYONE[name]
    client = browser()
    log_in(client, hub, name)
    foreign = [tenant for tenant in ("0751", "0461", "kursus") if tenant != account.tenant]
    for method, path in routes(client.app):
        if path in OPEN or path.endswith("/logout"):
            continue
        for tenant in foreign:
            data = {"csrf": csrf_of(client)} if method == "POST" else None
            answer = client.request(
                method, path.replace("{run_id}", f"run-{tenant}"), data=data, headers={"origin": ORIGIN}
            )
            if "{run_id}" in path:
                assert answer.status_code in (403, 404), (path, tenant)
            for trace in (f"run-{tenant}", f"Rapport run-{tenant}", f"m{tenant}", "hemmeligt-kodeord"):
                assert trace not in answer.text.replace(path, ""), (path, trace)


@pytest.mark.parametrize("name", sorted(EVERYONE))
def test_without_login_no_route_shows_anything(browser, name: str) -> None:
    client = browser()
    for method, path in routes(client.app):
        if path not in OPEN:
            answer = client.request(method, path.replace("{run_id}", "run-0751"), headers={"origin": ORIGIN})
            assert answer.status_code == (401 if method == "POST" or "/api/" in path else 303)
            assert "Rapport" not in answer.text


@pytest.mark.parametrize("name", sorted(EVERYONE))
def test_who_sees_runs_and_events(browser, hub, house, name: str) -> None:
    account = EVERYONE[name]
    client = browser()
    log_in(client, hub, name)
    mine = f"run-{account.tenant}"
    sees_runs = account.role != "operator"
    # The guest and the participant see their own alone; the participant's happens to be the one there is.
    sees_this = sees_runs and (account.role not in ("guest", "participant") or name == "deltager-01")
    assert client.get(f"{PREFIX}/koersler").status_code == (200 if sees_runs else 403)
    assert (mine in client.get(f"{PREFIX}/koersler").text) is sees_this
    for path in ("koersler/{}", "koersler/{}/rapport", "api/runs/{}"):
        expected = 200 if sees_this else 403 if not sees_runs else 404
        assert client.get(f"{PREFIX}/{path.format(mine)}").status_code == expected
    events = client.get(f"{PREFIX}/haendelser")
    assert events.status_code == (200 if account.role in ("dpo", "operator") else 403)
    assert ("/haendelser" in client.get(f"{PREFIX}/").text) is (account.role in ("dpo", "operator"))


def test_queries_are_made_in_one_module_alone() -> None:
    folder = Path(hub_login.__file__).parent
    asking = set()
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("session", "select", "execute", "scalar"):
                owner = getattr(node.value, "id", "")
                if owner in ("database", "sa", "sqlalchemy", "session"):
                    asking.add(file.name)
            if isinstance(node, ast.ImportFrom) and node.module in ("sqlalchemy", "faelleslab_hub.audit.models"):
                asking.add(file.name)
            if isinstance(node, ast.Import) and any(name.name.startswith("sqlalchemy") for name in node.names):
                asking.add(file.name)
    assert asking == {"reading.py"}
