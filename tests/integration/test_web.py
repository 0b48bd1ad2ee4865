"""The web service against a hub of paper: login, tenants, roles, reports, and requests from elsewhere."""

import ast
import asyncio
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from tests.unit.hub.audit.audit_house import House, build, make_settings

from faelleslab_hub import accounts, audit, database
from faelleslab_hub.accounts import ACCOUNTS, Account
from faelleslab_hub.runs.models import Run
from faelleslab_hub.tenants import Tenants
from faelleslab_hub.web import hub_login, verdicts
from faelleslab_hub.web.app import create_app
from faelleslab_hub.web.hub_login import PREFIX, own_path

ORIGIN = "http://testserver"
EVERYONE = {
    **ACCOUNTS,
    "forvalter-0461": Account("forvalter-0461", "0461", "data_manager"),
    "dpo-0461": Account("dpo-0461", "0461", "dpo"),
    "gaest-0751": Account("gaest-0751", "0751", "guest"),
}


class Browser:
    """One browser with its own cookies; follows no redirect by itself."""

    def __init__(self, app: FastAPI, runner: asyncio.Runner) -> None:
        self.app = app
        self._runner = runner
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url=ORIGIN, trust_env=False)
        self.cookies = self._client.cookies

    def request(self, method: str, path: str, **given: object) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, **given))

    def get(self, path: str, **given: object) -> httpx.Response:
        return self.request("GET", path, **given)

    def post(self, path: str, **given: object) -> httpx.Response:
        return self.request("POST", path, **given)

    def close(self) -> None:
        self._runner.run(self._client.aclose())


class PaperHub:
    """Answers as JupyterHub's token and user addresses do; remembers what it was asked."""

    def __init__(self) -> None:
        self.codes: dict[str, tuple[str, str]] = {}
        self.tokens: dict[str, dict] = {}
        self.away = False
        self.requests: list[httpx.Request] = []

    def user_of(self, name: str) -> dict:
        account = EVERYONE.get(name)
        return {"name": name, "kind": "user", "groups": account.groups if account else [], "admin": False}

    def authorize(self, url: str, name: str, *, user: dict | None = None) -> str:
        """What the browser meets at /hub/api/oauth2/authorize: straight back with a code."""
        query = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
        assert query["client_id"] == "service-web"
        assert query["code_challenge_method"] == "S256"
        assert query["redirect_uri"] == f"{PREFIX}/oauth_callback"
        code = secrets.token_hex(8)
        self.codes[code] = (query["code_challenge"], name)
        self.tokens[f"token-of-{code}"] = user or self.user_of(name)
        return f"{query['redirect_uri']}?code={code}&state={query['state']}"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.away:
            message = "no answer"
            raise httpx.ConnectError(message)
        if request.url.path == "/hub/api/oauth2/token":
            form = {key: values[0] for key, values in parse_qs(request.content.decode()).items()}
            code = form.get("code", "")
            if form.get("client_secret") != "hemmelig" or code not in self.codes or not form.get("code_verifier"):
                return httpx.Response(400, json={"error": "invalid_grant"})
            del self.codes[code]
            return httpx.Response(200, json={"access_token": f"token-of-{code}", "token_type": "Bearer"})
        assert request.url.path == "/hub/api/user"
        token = request.headers["authorization"].removeprefix("Bearer ")
        if token not in self.tokens:
            return httpx.Response(403, json={"message": "Forbidden"})
        return httpx.Response(200, json=self.tokens[token])


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> House:
    made = build(tmp_path_factory.mktemp("web"))
    for tenant, name in (("0751", "analytiker-0751"), ("0461", "analytiker-0461"), ("kursus", "deltager-01")):
        add_run(made, f"run-{tenant}", tenant, name)
        audit.record(made.settings, chain=tenant, type="login.succeeded", actor=name, details={"mark": f"m{tenant}"})
    audit.record(made.settings, chain="drift", type="login.refused", personal={"name": "hemmeligt-kodeord"})
    made.sign()
    database.engine(made.settings).dispose()
    return made


@pytest.fixture
def house(built: House, tmp_path: Path) -> Iterator[House]:
    home = tmp_path / "home"
    shutil.copytree(built.settings.home, home)
    made = House(make_settings(home), built.key)
    yield made
    database.engine(made.settings).dispose()


def add_run(house: House, run_id: str, tenant: str, submitted_by: str, **other: object) -> None:
    now = datetime.now(UTC)
    values = {
        "id": run_id,
        "tenant": tenant,
        "notebook": "noegletal.ipynb",
        "notebook_sha256": "ab" * 32,
        "given": '{"kommune": "0751", "<b>x</b>": "<script>alert(1)</script>"}',
        "salt": "00" * 16,
        "submitted_by": submitted_by,
        "timeout_s": 60,
        "state": "SUCCEEDED",
        "stage": "ENDED",
        "created_at": now,
        "started_at": now,
        "ended_at": now + timedelta(seconds=3),
        "attempt": 1,
        "exit_code": 0,
        "message": "Kørslen er gennemført.",
        "result": '{"state":"SUCCEEDED","reason":null,"exit_code":0,"cells":[{"index":1,"label":"Hent <i>tal</i>",'
        '"seconds":1.25,"state":"DONE"}],"cpu_seconds":2.0,"peak_memory_bytes":123456789,'
        '"hashes":{"parameters":"' + "cd" * 32 + '","data":{"tal.csv":"' + "ef" * 32 + '"}},'
        '"outputs":[{"path":"files/tal.xlsx","bytes":2048,"sha256":"' + "01" * 32 + '"}]}',
    }
    with database.session(house.settings) as session:
        session.add(Run(**{**values, **other}))
    folder = house.settings.run_folder(tenant, run_id) / "output"
    folder.mkdir(parents=True)
    (folder / "noegletal.html").write_text(f"<h1>Rapport {run_id}</h1><script>alert(1)</script>", encoding="utf-8")


@pytest.fixture
def hub() -> PaperHub:
    return PaperHub()


@pytest.fixture
def browser(house: House, hub: PaperHub) -> Iterator[Callable[[], Browser]]:
    app = create_app(house.settings, "hemmelig", Tenants.load(house.settings.config), httpx.MockTransport(hub))
    opened: list[Browser] = []
    with asyncio.Runner() as runner:

        def open_one() -> Browser:
            opened.append(Browser(app, runner))
            return opened[-1]

        yield open_one
        for client in opened:
            client.close()
        runner.run(app.state.login.close())


def log_in(client: Browser, hub: PaperHub, name: str, path: str = f"{PREFIX}/", **other: object) -> httpx.Response:
    first = client.get(path)
    assert first.status_code == 303, first.text
    to_hub = client.get(first.headers["location"])
    assert to_hub.status_code == 302
    assert to_hub.headers["location"].startswith("/hub/api/oauth2/authorize?")
    return client.get(hub.authorize(to_hub.headers["location"], name, **other))


def csrf_of(client: Browser) -> str:
    return re.search(r'name="csrf" value="([^"]+)"', client.get(f"{PREFIX}/").text).group(1)


# --- login ---


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


# --- tenants and roles ---


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


# --- pages ---


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
    import shutil

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


# --- requests from elsewhere ---


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


# --- errors and headers ---


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
