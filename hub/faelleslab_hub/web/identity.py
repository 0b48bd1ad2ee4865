"""Who is asking: one account, in one tenant, in one role, as the hub says right now."""

from collections.abc import Container, Iterable
from dataclasses import dataclass

from faelleslab.errors import AccessError
from faelleslab_hub.accounts import ROLES
from faelleslab_hub.tenants import OPERATION

_TENANT, _ROLE = "tenant-", "role-"
OPERATOR = "operator"
# The guests of a course or a contract see their own runs, not those of the house.
_OWN_RUNS_ONLY = frozenset({"participant", "guest"})
_READS_EVENTS = frozenset({"dpo", OPERATOR})


@dataclass(frozen=True)
class Identity:
    """An account of the hub; every right in the web service follows from these three."""

    name: str
    tenant: str
    role: str

    @property
    def role_name(self) -> str:
        """The role on the screen."""
        return ROLES[self.role]

    @property
    def may_read_runs(self) -> bool:
        """Whether runs may be shown at all: the operator sees no data."""
        return self.role != OPERATOR

    @property
    def own_runs_only(self) -> bool:
        """Whether only the account's own runs may be shown."""
        return self.role in _OWN_RUNS_ONLY

    @property
    def may_read_events(self) -> bool:
        """Whether the audit events of its own chain may be shown."""
        return self.role in _READS_EVENTS


def of_groups(name: str, groups: Iterable[str], tenants: Container[str]) -> Identity:
    """Make the identity from the hub's groups.

    Raises
    ------
    AccessError
        FL-A110 unless there is exactly one tenant, switched on here, and exactly one known role, that fit together.
    """
    groups = list(groups)
    own = {group.removeprefix(_TENANT) for group in groups if group.startswith(_TENANT)}
    roles = {group.removeprefix(_ROLE) for group in groups if group.startswith(_ROLE)}
    if len(own) == len(roles) == 1:
        tenant, role = own.pop(), roles.pop()
        # The operator belongs to no municipality, and nobody else belongs to the machine.
        fits = tenant == OPERATION if role == OPERATOR else tenant != OPERATION and tenant in tenants
        if role in ROLES and fits:
            return Identity(name, tenant, role)
    raise AccessError(
        "FL-A110",
        "Din konto har ikke netop én kommune og én rolle her.",
        rule="en konto hører til én kommune og har én rolle.",
        remedy="kontakt it-drift.",
    )
