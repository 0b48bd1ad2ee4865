"""A hub of paper, browsers, and an installation with a run and an event of each tenant."""

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

from faelleslab_hub import audit, database
from faelleslab_hub.accounts import ACCOUNTS, Account
from faelleslab_hub.runs.models import Run
from faelleslab_hub.tenants import Tenants
from faelleslab_hub.web.app import create_app
from faelleslab_hub.web.hub_login import PREFIX

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
