"""Who may enter and who works in JupyterLab."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faelleslab_hub import accounts
from faelleslab_hub.tenants import OPERATION


@pytest.mark.parametrize(
    ("name", "tenant", "role", "starts"),
    [
        ("analytiker-0751", "0751", "analyst", True),
        ("dataejer-0751", "0751", "data_owner", False),
        ("godkender-0751", "0751", "approver", False),
        ("dpo-0751", "0751", "dpo", False),
        ("analytiker-0461", "0461", "analyst", True),
        ("underviser", "kursus", "instructor", True),
        ("deltager-01", "kursus", "participant", True),
        ("it-drift", OPERATION, "operator", False),
    ],
)
def test_the_accounts(name: str, tenant: str, role: str, *, starts: bool) -> None:
    account = accounts.find(name)
    assert account is not None
    assert (account.tenant, account.role, account.may_start_server) == (tenant, role, starts)
    assert account.groups == [f"tenant-{tenant}", f"role-{role}"]
    assert account.role_name


def test_these_are_all() -> None:
    assert len(accounts.ACCOUNTS) == 8
    assert all(name == account.name for name, account in accounts.ACCOUNTS.items())
    assert accounts.ROLES.keys() >= accounts.MAY_START_SERVER


def test_only_tenants_that_are_switched_on_have_accounts() -> None:
    assert [a.name for a in accounts.available({"0461": object()})] == ["analytiker-0461", "it-drift"]
    assert [a.name for a in accounts.available(())] == ["it-drift"]


@given(st.sampled_from(sorted(accounts.ACCOUNTS)), st.sampled_from([*string.whitespace, "\x00", "/", "%", "A", "é"]))
def test_a_name_is_found_only_as_it_is(name: str, more: str) -> None:
    for other in (name + more, more + name, name.upper(), name.replace("-", "\u2010"), name.replace("0", "\u0660")):
        assert accounts.find(other) is None or other == name
