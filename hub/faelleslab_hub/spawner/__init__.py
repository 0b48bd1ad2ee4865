"""Users' servers: what both kinds share, whatever they run in.

Promises: only a role that works in JupyterLab gets a server; each start and stop is an event of the tenant's audit
chain; a start whose event cannot be written does not happen. Refuses: options from the browser, and any server that
is not the account's own default one.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

from traitlets import Any as AnyTrait
from traitlets import default
from traitlets.config import LoggingConfigurable

from faelleslab.errors import AccessError
from faelleslab_hub import accounts, audit
from faelleslab_hub.accounts import Account
from faelleslab_hub.pages import ServerRefused, server_error
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import Tenant, Tenants

if TYPE_CHECKING:
    from jupyterhub.spawner import Spawner as _Base
else:
    # JupyterHub refuses a subclass of Spawner that cannot start anything; this one is mixed into those that can.
    _Base = LoggingConfigurable

# A notebook's output may run script in the page, so the page itself may talk to this origin only.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval' 'unsafe-inline' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' data: blob:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "frame-src 'self' blob: data:",
        "form-action 'self'",
        "base-uri 'self'",
        "object-src 'none'",
        "frame-ancestors 'none'",
    )
)
_STAGES = (
    (10, "Din hjemmemappe gøres klar."),
    (30, "Arbejdsbordet starter."),
    (50, "JupyterLab indlæses."),
    (85, "Lige om lidt."),
)
_POLL_S = 0.25


class AuditedServer(_Base):
    """The base of both spawners: role check and audit events around start and stop."""

    settings: Settings = cast("Settings", AnyTrait(help="The installation's settings.").tag(config=True))
    tenants: Tenants = cast("Tenants", AnyTrait(help="The tenants that are switched on.").tag(config=True))
    stage = 0

    @default("disable_user_config")
    def _disable_user_config(self) -> bool:
        return True

    @default("default_url")
    def _default_url(self) -> str:
        return "/lab"

    @property
    def account(self) -> Account:
        """The account whose server this is; raises `ServerRefused` for one that is no account here."""
        account = accounts.find(self.user.name)
        if account is None or (account.may_start_server and account.tenant not in self.tenants.by_code):
            raise ServerRefused(
                403,
                AccessError(
                    "FL-L010",
                    "Kontoen findes ikke i denne installation.",
                    remedy="log ud, og log ind med en konto fra listen.",
                ),
                reason="account",
            )
        return account

    @property
    def tenant(self) -> Tenant:
        """The tenant the server runs for, from the account's record."""
        return self.tenants.get(self.account.tenant)

    def get_args(self) -> list[str]:
        """Add what holds for every server: nothing the user could configure away."""
        headers = {"headers": {"Content-Security-Policy": CONTENT_SECURITY_POLICY}}
        return [*super().get_args(), f"--ServerApp.tornado_settings={headers!r}"]

    async def run_pre_spawn_hook(self) -> None:
        """Check the role and write the event; the server does not start when either fails."""
        self.stage = 0
        await refuse_other_roles(self.account, self.settings)
        # Nothing a browser sent decides what a server is made of.
        self.user_options: dict[str, Any] = {}
        await self.prepare()
        await self._record("server.started", fail_closed=True)
        await asyncio.to_thread(self.prepare_home)

    async def run_post_stop_hook(self) -> None:
        """Write that the server has ended, whoever ended it."""
        await self._record("server.stopped", fail_closed=False)

    async def prepare(self) -> None:
        """Find out what the event must tell; nothing is changed yet."""

    def prepare_home(self) -> None:
        """Make the account's home folder ready; runs in a thread."""
        home = self.settings.account_home(self.account.tenant, self.account.name)
        home.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def start(self) -> tuple[str, int]:
        """Start the server and wait until its port answers; one that has died is not waited for.

        JupyterHub itself would go on asking a dead server until its time is up.
        """
        self.stage = 1
        address: tuple[str, int] = await super().start()
        self.launched()
        self.stage = 2
        while not await _answers(*address):
            if await self.poll() is not None:
                raise ServerRefused(500, server_error(None), reason="exited")
            await asyncio.sleep(_POLL_S)
        self.stage = 3
        return address

    def launched(self) -> None:
        """Note what was started, before anything else can go wrong."""

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Tell the waiting page, in Danish, what happens; ``text`` marks the events that are ours."""
        shown = -1
        while shown < len(_STAGES) - 1:
            if self.stage > shown:
                shown = self.stage
                percent, text = _STAGES[shown]
                yield {"progress": percent, "message": text, "text": text}
            await asyncio.sleep(_POLL_S)

    def event_details(self) -> dict[str, Any]:
        """Give the facts of the server that belong in its event."""
        return {"mode": self.settings.mode}

    async def _record(self, kind: str, *, fail_closed: bool) -> None:
        account = self.account
        try:
            await asyncio.to_thread(
                audit.record,
                self.settings,
                chain=account.tenant,
                type=kind,
                actor=account.name,
                details=self.event_details(),
                personal={},
            )
        except Exception as error:
            self.log.exception("audit event %s could not be written", kind)
            if fail_closed:
                raise _no_event() from error


async def refuse_other_roles(account: Account, settings: Settings) -> None:
    """Raise `ServerRefused`, with its event, when the account's role does not work in JupyterLab."""
    if account.may_start_server:
        return
    try:
        await asyncio.to_thread(
            audit.record,
            settings,
            chain=account.tenant,
            type="server.refused",
            actor=account.name,
            details={"role": account.role},
            personal={},
        )
    except Exception as error:
        raise _no_event() from error
    raise ServerRefused(
        403,
        AccessError(
            "FL-L011",
            f"Rollen {account.role_name} har ikke noget arbejdsbord.",
            rule="kun analytiker, dataforvalter, underviser, deltager og gæst arbejder i JupyterLab.",
            remedy="brug siden Kørsler.",
        ),
        reason="role",
    )


async def _answers(ip: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(ip, port)
    except OSError:
        return False
    writer.close()
    return True


def _no_event() -> ServerRefused:
    return ServerRefused(
        503,
        AccessError(
            "FL-L014",
            "Arbejdsbordet blev ikke startet, fordi hændelsen ikke kunne skrives i revisionssporet.",
            rule="ingen start uden spor.",
            remedy="prøv igen om lidt, og kontakt it-drift, hvis det bliver ved.",
        ),
        reason="audit",
    )
