"""The hub's pages that are ours: what JupyterHub would answer in English, and the files of the look."""

from http import HTTPStatus
from pathlib import Path
from typing import Any

from jupyterhub.handlers.base import BaseHandler, Template404
from jupyterhub.handlers.pages import ProxyErrorHandler, SpawnHandler
from jupyterhub.handlers.static import CacheControlStaticFilesHandler
from jupyterhub.scopes import needs_scope
from tornado import web

from faelleslab_hub import accounts
from faelleslab_hub.settings import CHECKOUT
from faelleslab_hub.spawner import refuse_other_roles

# Scripts, styles, images and fonts come from here; nothing is inline and nothing comes from elsewhere.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_STATIC = Path(__file__).with_name("static")
_DESIGN_SYSTEM = CHECKOUT / "hub" / "node_modules" / "dkfds" / "dist"


def handlers() -> list[tuple[Any, ...]]:
    """List our handlers with their paths below ``/hub``."""
    return [
        (r"/faste/dkfds/(.*)", Asset, {"path": str(_DESIGN_SYSTEM)}),
        (r"/faste/(.*)", Asset, {"path": str(_STATIC)}),
        (r"/spawn", Spawn),
        (r"/spawn/([^/]+)", Spawn),
        (r"/spawn/([^/]+)/([^/]+)", Spawn),
        (r"/error/(\d+)", ProxyError),
        (r"/admin", Operation),
        # Not in use here: nobody makes tokens or shares servers.
        (r"/token", Template404),
        (r"/accept-share", Template404),
    ]


class Asset(CacheControlStaticFilesHandler):
    """A file of the look: cached for good under its version, fetched anew without one."""

    def set_default_headers(self) -> None:
        """Forbid a browser to take a file for something else."""
        self.set_header("X-Content-Type-Options", "nosniff")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer in few words: nobody reads this page."""
        self.finish(str(status_code))


class Spawn(SpawnHandler):
    """Starts a server, for the roles that have one."""

    async def prepare(self) -> None:
        """Tell the other roles, with an event, what they can do instead."""
        await super().prepare()
        user = self.current_user
        account = accounts.find(user.name) if user else None
        if account:
            await refuse_other_roles(account, self.authenticator.settings)


class Operation(BaseHandler):
    """The operator's page: which servers run, and a button to stop each. Nothing of what is in them."""

    @web.authenticated
    @needs_scope("admin-ui")
    async def get(self) -> None:
        """Show the running servers, the longest unused first."""
        # A wrapper exists for every running server: the hub makes it at its own start.
        servers = [user.spawner for user in self.users.values() if user.active]
        servers.sort(key=lambda server: server.orm_spawner.last_activity or server.orm_spawner.started)
        self.finish(await self.render_template("operation.html", servers=servers))


class ProxyError(ProxyErrorHandler):
    """The page the proxy shows when nobody answers; it takes no text from the address."""

    async def get(self, status_code_s: str) -> None:
        """Show the error's page with its own status."""
        status = int(status_code_s)
        if status not in {s.value for s in HTTPStatus} or status < HTTPStatus.BAD_REQUEST:
            status = HTTPStatus.NOT_FOUND.value
        self.set_status(status)
        self.finish(await self.render_template("error.html", status_code=status))


def default_url(handler: BaseHandler) -> str:
    """Say where a login ends: the home page, or the runs for a role without a workbench."""
    user = handler.current_user
    account = accounts.find(user.name) if user else None
    if account is None or account.may_start_server or account.role == "operator":
        return f"{handler.hub.base_url}home" if user else ""
    return f"{handler.base_url}services/web/"
