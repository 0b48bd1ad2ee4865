"""The hub as its users and its enemies meet it: real proxy, real hub, real servers, over HTTP."""

import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from tests.integration.hub_house import House, open_house, wait_for

from faelleslab_hub.accounts import ACCOUNTS
from faelleslab_hub.spawner import embedded

ANALYST, OTHER, OPERATOR = "analytiker-0751", "analytiker-0461", "it-drift"
WITHOUT_SERVER = [a.name for a in ACCOUNTS.values() if not a.may_start_server]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house")) as house:
        yield house


def test_login_is_one_event_of_the_accounts_own_municipality(house: House) -> None:
    before = {chain: len(house.events(chain, "login.succeeded")) for chain in ("0751", "0461", "drift")}
    house.login(ANALYST)
    after = {chain: len(house.events(chain, "login.succeeded")) for chain in before}
    assert after == {**before, "0751": before["0751"] + 1}
    event = house.events("0751", "login.succeeded")[-1]
    assert event["role"] == "analyst"
    assert event["actor"].startswith("0751-")
    assert ANALYST not in str(event)


@pytest.mark.parametrize(("account", "chain"), [("dataejer-0751", "0751"), ("nobody", "drift")])
def test_a_refused_login_is_an_event_and_tells_nothing(house: House, account: str, chain: str) -> None:
    before = len(house.events(chain, "login.refused"))
    visitor = house.visitor()
    answer = visitor.post_login(account, "wrong")
    assert answer.status_code == 403
    assert "Konto og adgangskode passer ikke sammen" in answer.text
    assert "FL-L001" in answer.text
    assert "jupyterhub-hub-login" not in visitor.cookies
    assert len(house.events(chain, "login.refused")) == before + 1


def test_guessing_is_slowed_down(house: House) -> None:
    visitor = house.visitor()
    answers = [visitor.post_login("deltager-01", f"guess {n}") for n in range(5)]
    assert [a.status_code for a in answers] == [403, 403, 403, 403, 429]
    right = visitor.post_login("deltager-01", house.password)
    assert right.status_code == 429
    assert "FL-L003" in right.text
    assert int(right.headers["Retry-After"]) <= 31
    assert house.login("underviser"), "another account of the same tenant is not slowed down"


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"username": ANALYST},
        {"password": "x"},
        {"username": [ANALYST, OTHER], "password": ["a", "b"]},
        {"username": "\x00" * 500, "password": "\x00"},
        {"username": "æøå'\"><script>", "password": "x" * 100_000},
        {"username": "../../etc/passwd", "password": "{{7*7}}"},
    ],
)
def test_a_strange_login_form_gets_a_danish_sentence(house: House, form: dict[str, str]) -> None:
    visitor = house.visitor()
    answer = visitor.post("/hub/login", data={**form, "_xsrf": visitor.xsrf()})
    assert 400 <= answer.status_code < 500
    assert "FL-L00" in answer.text
    assert "Traceback" not in answer.text
    assert "<script>" not in answer.text
    assert 'lang="da"' in answer.text


def test_a_login_form_from_elsewhere_is_refused(house: House) -> None:
    visitor = house.visitor()
    visitor.get("/hub/login")
    answer = visitor.post("/hub/login", data={"username": ANALYST, "password": house.password, "_xsrf": "forged"})
    assert answer.status_code == 403
    assert "FL-L004" in answer.text
    assert "jupyterhub-hub-login" not in visitor.cookies


def test_no_login_and_no_start_without_its_event(house: House) -> None:
    visitor = house.login(OTHER)
    with house.no_events():
        refused = house.visitor()
        answer = refused.post_login(OTHER, house.password)
        assert answer.status_code == 503
        assert "FL-L002" in answer.text
        assert "jupyterhub-hub-login" not in refused.cookies
        start = visitor.get("/hub/spawn", follow_redirects=True)
        assert start.status_code == 503
        assert "FL-L014" in start.text
    assert not (house.settings.hub_state / "servers" / f"{OTHER}.pid").exists()


def test_servers_and_sessions_outlive_a_killed_hub(house: House) -> None:
    visitor = house.login(ANALYST)
    lab = visitor.start_server()
    pid = house.server_pid(ANALYST)
    started = len(house.events("0751", "server.started"))

    house.kill("hub", signal.SIGKILL)
    assert visitor.get(lab).status_code == 200, "the server answers while there is no hub"

    house.start("hub")
    assert visitor.get("/hub/home").status_code == 200, "the session needs no new login"
    assert "Kører" in visitor.get("/hub/home").text
    assert visitor.get(lab).status_code == 200
    assert psutil.pid_exists(pid)
    assert len(house.events("0751", "server.started")) == started, "nothing was started anew"

    stopped = len(house.events("0751", "server.stopped"))
    visitor.stop_server(ANALYST)
    assert embedded._started_at(pid) == ""
    assert len(house.events("0751", "server.stopped")) == stopped + 1


def test_a_server_that_dies_alone_is_noticed_even_while_the_hub_is_away(house: House) -> None:
    visitor = house.login(ANALYST)
    visitor.start_server()
    house.kill("hub", signal.SIGKILL)
    psutil.Process(house.server_pid(ANALYST)).kill()
    house.start("hub")
    wait_for(visitor.is_idle, "the home page to offer a start")
    visitor.start_server()
    visitor.stop_server(ANALYST)


def test_a_stopped_hub_leaves_servers_alone_and_ends_its_culler(house: House) -> None:
    visitor = house.login(ANALYST)
    lab = visitor.start_server()
    children = psutil.Process(house.processes["hub"].pid).children()
    assert house.kill("hub", signal.SIGTERM) == 0
    assert visitor.get(lab).status_code == 200
    server = house.server_pid(ANALYST)
    assert all(not c.is_running() or c.status() == psutil.STATUS_ZOMBIE for c in children if c.pid != server)
    house.start("hub")
    visitor.stop_server(ANALYST)


def test_the_culler_dies_with_a_killed_hub(house: House) -> None:
    hub = psutil.Process(house.processes["hub"].pid)
    wait_for(lambda: any("faelleslab_hub.idle" in c.cmdline() for c in hub.children()), "the culler to start")
    culler = next(c for c in hub.children() if "faelleslab_hub.idle" in c.cmdline())
    house.kill("hub", signal.SIGKILL)
    wait_for(lambda: not culler.is_running() or culler.status() == psutil.STATUS_ZOMBIE, "the culler to end")
    house.start("hub")


def test_nobody_enters_anothers_server(house: House) -> None:
    owner = house.login(ANALYST)
    lab = owner.start_server()
    for name in (OTHER, OPERATOR, "dpo-0751", "dataejer-0751"):
        intruder = house.login(name)
        for path in (lab, f"/user/{ANALYST}/api/contents", f"/user/{ANALYST}/files/x", f"/hub/user/{ANALYST}/lab"):
            answer = intruder.get(path, follow_redirects=True)
            assert answer.status_code in (403, 404), (name, path, answer.status_code)
        for method, path in (
            ("GET", f"/users/{ANALYST}/server/progress"),
            ("POST", f"/users/{ANALYST}/server"),
            ("POST", f"/users/{ANALYST}/tokens"),
            ("PATCH", f"/users/{ANALYST}"),
        ):
            if (name, method) != (OPERATOR, "GET"):
                assert intruder.api(method, path).status_code in (403, 404, 405), (name, method, path)
    assert httpx.get(f"{house.url}/user/{ANALYST}/api/contents").status_code == 403
    owner.stop_server(ANALYST)


def test_the_operator_sees_and_stops_servers_and_no_more(house: House) -> None:
    owner, operator = house.login(ANALYST), house.login(OPERATOR)
    owner.start_server()
    assert ANALYST in {user["name"] for user in operator.api("GET", "/users").json()}
    assert "Servere" in operator.get("/hub/home").text
    assert f"Stop {ANALYST}" in operator.get("/hub/admin").text
    for method, path in (
        ("POST", "/shutdown"),
        ("GET", "/proxy"),
        ("POST", "/groups/tenant-9999"),
        ("POST", f"/groups/tenant-0461/users?name={OPERATOR}"),
        ("POST", f"/users/{OPERATOR}/server"),
        ("POST", f"/users/{OPERATOR}/tokens"),
        ("POST", "/users/somebody"),
        ("DELETE", f"/users/{ANALYST}"),
    ):
        assert operator.api(method, path).status_code in (403, 404, 405), (method, path)
    stopped = len(house.events("0751", "server.stopped"))
    assert operator.api("DELETE", f"/users/{ANALYST}/server").status_code in (202, 204)
    wait_for(owner.is_idle, "the server to stop")
    assert len(house.events("0751", "server.stopped")) == stopped + 1


@pytest.mark.parametrize("account", WITHOUT_SERVER)
def test_a_role_without_a_workbench_is_told_so_and_it_is_an_event(house: House, account: str) -> None:
    visitor = house.login(account)
    chain = ACCOUNTS[account].tenant
    before = len(house.events(chain, "server.refused"))
    answer = visitor.get("/hub/spawn")
    assert answer.status_code == 403
    assert "FL-L011" in answer.text
    assert len(house.events(chain, "server.refused")) == before + 1
    assert visitor.api("POST", f"/users/{account}/server").status_code in (403, 404)
    assert "Åbn arbejdsbordet" not in visitor.get("/hub/home").text


def test_login_ends_where_the_role_works(house: House) -> None:
    ends = {
        name: house.visitor().post_login(name, house.password).headers["Location"]
        for name in (ANALYST, "dpo-0751", OPERATOR)
    }
    assert ends == {ANALYST: "/hub/home", "dpo-0751": "/services/web/", OPERATOR: "/hub/home"}


@pytest.mark.parametrize("outside", ["https://example.org/", "//example.org", "/\\example.org", "javascript:alert(1)"])
def test_a_login_never_leads_outside(house: House, outside: str) -> None:
    visitor = house.visitor()
    answer = visitor.post(
        "/hub/login",
        params={"next": outside},
        data={"username": ANALYST, "password": house.password, "_xsrf": visitor.xsrf()},
    )
    assert answer.headers["Location"].startswith("/")
    assert not answer.headers["Location"].startswith("//")


def test_logging_out_is_an_event_and_ends_the_session(house: House) -> None:
    visitor = house.login(ANALYST)
    before = len(house.events("0751", "logout"))
    answer = visitor.get("/hub/logout")
    assert "Du er logget ud" in answer.text
    assert len(house.events("0751", "logout")) == before + 1
    assert "/hub/login" in visitor.get("/hub/home").headers["Location"]


def test_a_server_gets_no_secret_and_nothing_of_the_hub(house: House) -> None:
    visitor = house.login(ANALYST)
    visitor.start_server()
    process = psutil.Process(house.server_pid(ANALYST))
    environment = process.environ()
    allowed = {"PATH", "LANG", "LC_ALL", "TZ", "HOME", "USER", "SHELL", "PWD", "FAELLESLAB_OFFLINE", "JPY_API_TOKEN"}
    own = ("JUPYTERHUB_", "SSL_CERT_", "MEM_", "CPU_")
    assert {k for k in environment if k not in allowed and not k.startswith(own)} == set()
    secrets = [p.read_text().strip() for p in house.settings.secrets.rglob("*") if p.is_file()]
    seen = " ".join([*environment.values(), *process.cmdline()])
    assert not [s for s in secrets if s in seen]
    assert environment["HOME"] == str(house.settings.account_home("0751", ANALYST))
    assert Path(process.cwd()) == house.settings.account_home("0751", ANALYST)
    visitor.stop_server(ANALYST)


def test_everything_listens_on_loopback_only(house: House) -> None:
    visitor = house.login(ANALYST)
    visitor.start_server()
    pids = [p.pid for p in house.processes.values()] + [house.server_pid(ANALYST)]
    listening = [
        c.laddr.ip for pid in pids for c in psutil.Process(pid).net_connections(kind="inet") if c.status == "LISTEN"
    ]
    assert len(listening) >= 4
    assert set(listening) == {"127.0.0.1"}
    visitor.stop_server(ANALYST)


def test_every_page_forbids_foreign_script_and_frames(house: House) -> None:
    visitor = house.login(ANALYST)
    for path in ("/hub/login", "/hub/home", "/hub/nowhere", "/hub/logout"):
        answer = visitor.get(path, follow_redirects=True)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "<script>" not in answer.text
        assert " style=" not in answer.text
        assert "http://" not in answer.text.replace("http://127.0.0.1", "")


@pytest.mark.parametrize(
    "path",
    [
        "/hub/nowhere",
        "/hub/token",
        "/hub/accept-share?code=x",
        "/hub/user/nobody/lab",
        "/hub/spawn/analytiker-0461",
        "/hub/spawn/nobody",
        "/hub/spawn-pending/analytiker-0461",
        "/hub/error/503",
        "/hub/error/99999",
        "/hub/faste/..%2faccounts.py",
        "/hub/faste/dkfds/..%2f..%2f..%2fpackage.json",
        "/hub/faste/%2fetc%2fpasswd",
        "/hub/admin",
    ],
)
def test_what_is_not_there_is_said_in_danish(house: House, path: str) -> None:
    answer = house.login(ANALYST).get(path)
    assert 400 <= answer.status_code < 600
    assert "Traceback" not in answer.text
    if "/faste/" not in path:
        assert 'lang="da"' in answer.text
        assert "FL-L02" in answer.text
        assert "JupyterHub" not in answer.text
