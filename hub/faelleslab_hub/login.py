"""Login: an account of the list and the installation's password; every attempt is an event of the audit chain.

Promises: nobody enters who is not in `accounts`; tenant and role come from the record; a login whose event cannot be
written does not happen. Refuses: to tell an unknown name from a wrong password, by words or by time.
"""

import asyncio
import hashlib
import hmac
from typing import Any, cast

from jupyterhub.auth import Authenticator
from jupyterhub.handlers.login import LoginHandler, LogoutHandler
from tornado import web
from traitlets import Any as AnyTrait
from traitlets import Unicode

from faelleslab.errors import AccessError
from faelleslab_hub import accounts, audit
from faelleslab_hub.accounts import Account
from faelleslab_hub.pages import DanishError, page_error
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import OPERATION
from faelleslab_hub.throttle import Throttle

# Longer than any account's name: what is kept of a wrong one, in the erasable part of the event.
_NAME_KEPT = 64
_UNKNOWN = "(unknown)"


class AccountAuthenticator(Authenticator):
    """Lets in the accounts whose tenant is switched on."""

    settings: Settings = cast("Settings", AnyTrait(help="The installation's settings.").tag(config=True))
    tenants: Any = AnyTrait(help="The tenants that are switched on.").tag(config=True)
    password = Unicode(help="The accounts' common password, from its secret file.").tag(config=True)

    manage_groups = True
    # Nobody enters by default; `check_allowed` is the rule.
    allow_all = False
    any_allow_config = True
    # A session outlives a change of the accounts by no more than this many seconds.
    auth_refresh_age = 60
    refresh_pre_spawn = True
    auth_refresh_strict = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.throttle = Throttle()

    def account(self, name: str) -> Account | None:
        """Give the account if it is one of this installation."""
        return next((a for a in accounts.available(self.tenants.by_code) if a.name == name), None)

    async def authenticate(self, handler: web.RequestHandler, data: Any) -> dict[str, Any] | None:
        """Check name and password and write the event; None, or a Danish error, when the login does not happen."""
        name = str((data or {}).get("username", ""))
        account = self.account(name)
        key = account.name if account else _UNKNOWN
        right = self._is_password(str((data or {}).get("password", ""))) and account is not None
        wait = self.throttle.wait_s(key)
        if wait > 0:
            raise _pause(wait)
        if not right or account is None:
            pause = self.throttle.failed(key)
            await self._refused(handler, account, name, pause)
            if pause:
                raise _pause(pause)
            return None
        await self._record(
            account.tenant,
            "login.succeeded",
            actor=account.name,
            details={"role": account.role, "unheard": self.throttle.unheard(key)},
            personal={"address": _address(handler)},
        )
        self.throttle.succeeded(key)
        return {"name": account.name, "admin": False, "groups": account.groups}

    async def refresh_user(self, user: Any, handler: web.RequestHandler | None = None) -> bool | dict[str, Any]:
        """Read the account's record anew, so that one that was switched off has no session left."""
        account = self.account(user.name)
        return {"name": account.name, "admin": False, "groups": account.groups} if account else False

    def check_allowed(self, username: str, authentication: Any = None) -> bool:
        """Allow the accounts of this installation and nobody else."""
        return self.account(username) is not None

    def get_handlers(self, app: Any) -> list[tuple[str, type]]:
        """Serve login and logout by the handlers below."""
        return [("/login", Login), ("/logout", Logout)]

    async def record_logout(self, name: str) -> None:
        """Write the logout; it happens even when the event cannot be written, since keeping a session is worse."""
        account = accounts.find(name)
        if account is None:
            return
        try:
            await self._record(account.tenant, "logout", actor=account.name, details={"role": account.role})
        except DanishError as error:
            self.log.error("logout not recorded: %s", error.log_message)

    def _is_password(self, given: str) -> bool:
        # Digests first: comparing texts of different lengths would tell the length.
        digests = [hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in (given, self.password)]
        return bool(self.password) and hmac.compare_digest(*digests)

    async def _refused(self, handler: web.RequestHandler, account: Account | None, name: str, pause: float) -> None:
        personal = {"address": _address(handler)}
        if account is None:
            personal["name"] = name[:_NAME_KEPT]
        await self._record(
            account.tenant if account else OPERATION,
            "login.refused",
            actor=account.name if account else None,
            details={"reason": "password" if account else "unknown", "pause_s": int(pause)},
            personal=personal,
        )

    async def _record(self, chain: str, kind: str, **event: Any) -> None:
        try:
            await asyncio.to_thread(audit.record, self.settings, chain=chain, type=kind, **{"personal": {}, **event})
        except Exception as error:
            self.log.exception("audit event %s could not be written", kind)
            raise DanishError(
                503,
                AccessError(
                    "FL-L002",
                    "Du er ikke logget ind, fordi hændelsen ikke kunne skrives i revisionssporet.",
                    rule="intet login uden spor.",
                    remedy="prøv igen om lidt, og kontakt it-drift, hvis det bliver ved.",
                ),
            ) from error


class Login(LoginHandler):
    """The login page, whose every answer is Danish."""

    def _render(self, login_error: str | None = None, username: str | None = None, **kwargs: Any) -> Any:
        # JupyterHub brings its own sentences here; what went wrong is told by the status or by our own error.
        error = None
        if login_error:
            status = self.get_status()
            error = _wrong() if status == 403 else page_error(status, None)
            if isinstance(own := kwargs.get("exception"), DanishError):
                error = own.error
        return super()._render(login_error=str(error) if error else None, username=username, **kwargs)

    def check_xsrf_cookie(self) -> None:
        """Tell an expired form from a wrong password."""
        try:
            super().check_xsrf_cookie()
        except web.HTTPError as error:
            raise DanishError(403, _unusable_form()) from error

    async def post(self) -> None:
        """Refuse a form without its two fields before JupyterHub trips over it."""
        if not {"username", "password"} <= self.request.body_arguments.keys():
            raise DanishError(400, _unusable_form())
        await super().post()


class Logout(LogoutHandler):
    """Logs out, writes the event and says so."""

    async def default_handle_logout(self) -> None:
        """Write the event while it is still known who leaves."""
        user = self.current_user
        if user:
            await self.authenticator.record_logout(user.name)
        await super().default_handle_logout()

    async def render_logout_page(self) -> None:
        """Show a page of its own rather than the login form: a shared machine's next user must see it."""
        self.finish(await self.render_template("logout.html"))


def _address(handler: web.RequestHandler) -> str:
    return str(handler.request.remote_ip)


def _pause(seconds: float) -> DanishError:
    wait = f"{max(1, round(seconds))} sekunder" if seconds < 90 else f"{round(seconds / 60)} minutter"
    return DanishError(
        429,
        AccessError(
            "FL-L003",
            "Der er tastet forkert adgangskode for mange gange.",
            rule="kontoen svarer ikke i et stykke tid efter gentagne fejl.",
            remedy=f"vent {wait}, og prøv igen.",
        ),
        headers={"Retry-After": str(int(seconds) + 1)},
    )


def _wrong() -> AccessError:
    return AccessError(
        "FL-L001", "Konto og adgangskode passer ikke sammen.", remedy="vælg konto igen, og tast adgangskoden om."
    )


def _unusable_form() -> AccessError:
    return AccessError(
        "FL-L004",
        "Loginformularen kunne ikke bruges; den var udløbet eller ufuldstændig.",
        remedy="vælg konto, tast adgangskoden, og prøv igen.",
    )
