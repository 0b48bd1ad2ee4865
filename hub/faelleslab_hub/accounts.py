"""The accounts of this installation: who may enter, on behalf of which tenant, in which role.

Until single sign-on arrives (issue 3) the accounts are named by role and share one random password per installation.
The tenant of an account always comes from its record here, never from its name and never from what a browser sent.
"""

from collections.abc import Container
from dataclasses import dataclass

from faelleslab_hub.tenants import COURSE, OPERATION

# The role's code and the word on the screen.
ROLES = {
    "analyst": "analytiker",
    "data_owner": "dataejer",
    "data_manager": "dataforvalter",
    "approver": "godkender",
    "dpo": "databeskyttelsesrådgiver",
    "instructor": "underviser",
    "participant": "deltager",
    "guest": "gæst",
    "operator": "it-drift",
}
# Those who decide or supervise need no workbench of their own, and the operator must not see data.
MAY_START_SERVER = frozenset({"analyst", "data_manager", "instructor", "participant", "guest"})


@dataclass(frozen=True)
class Account:
    """One person in one tenant: a person who serves two municipalities is two accounts."""

    name: str
    tenant: str
    role: str

    @property
    def role_name(self) -> str:
        """The role's Danish name."""
        return ROLES[self.role]

    @property
    def may_start_server(self) -> bool:
        """Whether the role works in JupyterLab."""
        return self.role in MAY_START_SERVER

    @property
    def groups(self) -> list[str]:
        """The JupyterHub groups that carry tenant and role to the services."""
        return [tenant_group(self.tenant), role_group(self.role)]


ACCOUNTS = {
    account.name: account
    for account in (
        Account("analytiker-0751", "0751", "analyst"),
        Account("dataejer-0751", "0751", "data_owner"),
        Account("godkender-0751", "0751", "approver"),
        Account("dpo-0751", "0751", "dpo"),
        Account("analytiker-0461", "0461", "analyst"),
        Account("underviser", COURSE, "instructor"),
        Account("deltager-01", COURSE, "participant"),
        Account("it-drift", OPERATION, "operator"),
    )
}


def find(name: str) -> Account | None:
    """Give the account with exactly this name, or None."""
    return ACCOUNTS.get(name)


def available(tenants: Container[str]) -> list[Account]:
    """List the accounts whose tenant is switched on; the operator belongs to the machine and is always there.

    Parameters
    ----------
    tenants : container of str
        Codes of the tenants that are switched on, e.g. ``Tenants.by_code``.
    """
    return [account for account in ACCOUNTS.values() if account.tenant == OPERATION or account.tenant in tenants]


def tenant_group(code: str) -> str:
    """Name the JupyterHub group of a tenant."""
    return f"tenant-{code}"


def role_group(role: str) -> str:
    """Name the JupyterHub group of a role."""
    return f"role-{role}"
