"""The authenticator alone: every way in is refused but one, and each attempt leaves its event."""

import asyncio
import hmac
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faelleslab.errors import AuditError
from faelleslab_hub import login
from faelleslab_hub.accounts import ACCOUNTS
from faelleslab_hub.login import AccountAuthenticator
from faelleslab_hub.pages import DanishError

PASSWORD = "abcd-efgh-jkmn"
HANDLER: Any = SimpleNamespace(request=SimpleNamespace(remote_ip="127.0.0.1"))


class Chain:
    """Stands in for the audit chain; the integration tests use the real one."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.broken = False

    def record(self, settings: Any, **event: Any) -> None:
        if self.broken:
            raise AuditError("FL-A000", "broken")
        self.events.append(event)


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> Chain:
    chain = Chain()
    monkeypatch.setattr(login, "audit", chain)
    return chain


def authenticator(*tenants: str) -> AccountAuthenticator:
    return AccountAuthenticator(
        settings=None, tenants=SimpleNamespace(by_code=dict.fromkeys(tenants)), password=PASSWORD
    )


def attempt(door: AccountAuthenticator, name: Any, password: Any) -> Any:
    return asyncio.run(door.get_authenticated_user(HANDLER, {"username": name, "password": password}))


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=lambda a: a.name)
def test_each_account_enters_with_its_own_tenant_and_no_admin(chain: Chain, account: Any) -> None:
    user = attempt(authenticator("0751", "0461", "kursus"), account.name, PASSWORD)
    assert user["name"] == account.name
    assert user["groups"] == account.groups
    assert not user["admin"]
    (event,) = chain.events
    assert (event["chain"], event["type"], event["actor"]) == (account.tenant, "login.succeeded", account.name)


@given(password=st.text(max_size=40).filter(lambda p: p != PASSWORD))
def test_no_other_password_opens(password: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        chain = Chain()
        patch.setattr(login, "audit", chain)
        assert attempt(authenticator("0751"), "analytiker-0751", password) is None
        assert [e["type"] for e in chain.events] == ["login.refused"]
        # A short one may be part of any word of the event.
        assert len(password) < 12 or password not in str(chain.events)


@given(name=st.text(max_size=80).filter(lambda n: n not in ACCOUNTS))
def test_no_other_name_enters_and_it_is_kept_in_the_erasable_part_only(name: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        chain = Chain()
        patch.setattr(login, "audit", chain)
        assert attempt(authenticator("0751"), name, PASSWORD) is None
        (event,) = chain.events
        assert (event["chain"], event["actor"]) == ("drift", None)
        assert event["details"] == {"reason": "unknown", "pause_s": 0}
        assert event["personal"]["name"] == name[:64]


@pytest.mark.parametrize("data", [None, {}, {"username": "analytiker-0751"}, {"password": PASSWORD}])
def test_a_login_without_its_two_fields_is_refused(chain: Chain, data: Any) -> None:
    assert asyncio.run(authenticator("0751").get_authenticated_user(HANDLER, data)) is None


def test_an_account_of_a_tenant_that_is_switched_off_does_not_enter(chain: Chain) -> None:
    assert attempt(authenticator("0751"), "analytiker-0461", PASSWORD) is None
    assert chain.events[0]["chain"] == "drift"


def test_an_empty_password_in_the_secret_opens_nothing(chain: Chain) -> None:
    door = AccountAuthenticator(settings=None, tenants=SimpleNamespace(by_code={"0751": None}), password="")
    assert attempt(door, "analytiker-0751", "") is None


def test_an_unknown_name_costs_the_same_comparison(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def compare(a: bytes, b: bytes) -> bool:
        seen.append((len(a), len(b)))
        return real(a, b)

    monkeypatch.setattr(login.hmac, "compare_digest", compare)
    for name, password in (("nobody", "x"), ("analytiker-0751", "x"), ("analytiker-0751", "x" * 10_000)):
        attempt(authenticator("0751"), name, password)
    assert seen == [(32, 32)] * 3


def test_no_event_no_login(chain: Chain) -> None:
    chain.broken = True
    door = authenticator("0751")
    for password in (PASSWORD, "wrong"):
        with pytest.raises(DanishError) as caught:
            attempt(door, "analytiker-0751", password)
        assert caught.value.status_code == 503
        assert caught.value.error.code == "FL-L002"


def test_a_pause_holds_for_the_right_password_too_and_fills_no_chain(chain: Chain) -> None:
    door = authenticator("0751", "0461")
    for _ in range(4):
        assert attempt(door, "analytiker-0751", "wrong") is None
    for password in ("wrong", PASSWORD, "wrong"):
        with pytest.raises(DanishError) as caught:
            attempt(door, "analytiker-0751", password)
        assert caught.value.status_code == 429
        assert caught.value.error.code == "FL-L003"
    assert len(chain.events) == 5
    assert chain.events[-1]["details"]["pause_s"] == 30
    assert attempt(door, "analytiker-0461", PASSWORD)


def test_a_session_ends_with_its_account() -> None:
    user = SimpleNamespace(name="analytiker-0461")
    renewed = asyncio.run(authenticator("0461").refresh_user(user))
    assert isinstance(renewed, dict)
    assert renewed["groups"] == ["tenant-0461", "role-analyst"]
    assert asyncio.run(authenticator("0751").refresh_user(user)) is False


def test_the_rules_cannot_be_configured_away() -> None:
    door = authenticator("0751")
    assert door.allow_all is False
    assert door.manage_groups is True
    assert door.auth_refresh_strict is True
    assert not door.has_trait("allow_all")
