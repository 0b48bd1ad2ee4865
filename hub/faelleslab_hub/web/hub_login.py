"""Log in with the hub: a standard OAuth client (code flow, state, PKCE S256) by Authlib.

Addresses the browser sees are paths without a host, so the workbench works under any name it is reached by. The
access token stays in this process (`memory`); at each request it is shown to the hub again, at most five seconds
after the last time, so that a logout or a changed group counts at once.
"""

import secrets
import time
import warnings
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.deprecate import AuthlibDeprecationWarning
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from faelleslab.errors import AccessError
from faelleslab_hub.settings import Settings
from faelleslab_hub.web.identity import Identity, of_groups
from faelleslab_hub.web.memory import LoginMemory, Memory

with warnings.catch_warnings():
    # Authlib prefers httpx2; httpx is what the rest of the house uses.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.starlette_client import OAuth

PREFIX = "/services/web"
CALLBACK = f"{PREFIX}/oauth_callback"
CLIENT_ID = "service-web"
SESSION_SECONDS = 3600
_TRUST_SECONDS = 5.0
_SID = "sid"


class NeedsLoginError(Exception):
    """Nobody is logged in, or no longer."""


class HubAwayError(Exception):
    """The hub does not answer."""


@dataclass
class Session:
    """A logged-in browser."""

    token: str
    identity: Identity
    checked_at: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))


class HubLogin:
    """The client of the hub; one per process.

    Parameters
    ----------
    settings : Settings
    secret : str
        The client's secret, shared with the hub.
    tenants : container of str
        Codes that are switched on.
    transport : httpx.AsyncBaseTransport, optional
        Stands in for the network in tests.
    """

    def __init__(
        self,
        settings: Settings,
        secret: str,
        tenants: Container[str],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._tenants = tenants
        self._sessions: Memory[Session] = Memory(most=20_000, seconds=SESSION_SECONDS)
        api = f"http://127.0.0.1:{settings.hub_port}/hub/api"
        self._user_url = f"{api}/user"
        self._client = httpx.AsyncClient(transport=transport, timeout=10, trust_env=False)
        # Built for this service: a proxy in the environment must not see the token.
        arguments: dict[str, Any] = {"code_challenge_method": "S256", "timeout": 10, "trust_env": False}
        if transport is not None:
            arguments["transport"] = transport
        self._oauth = OAuth(cache=LoginMemory()).register(
            "hub",
            client_id=CLIENT_ID,
            client_secret=secret,
            authorize_url="/hub/api/oauth2/authorize",
            access_token_url=f"{api}/oauth2/token",
            token_endpoint_auth_method="client_secret_post",  # noqa: S106 (the name of a method)
            client_kwargs=arguments,
        )

    async def begin(self, request: Request) -> Response:
        """Send the browser to the hub, and remember where it wanted to go."""
        request.session["next"] = own_path(request.query_params.get("next"))
        response: Response = await self._oauth.authorize_redirect(request, CALLBACK)
        return response

    async def end(self, request: Request) -> Response:
        """Take the browser back from the hub.

        Raises
        ------
        AccessError
            FL-A101 when state, code or token do not fit: a login that did not begin in this browser.
        """
        target = own_path(request.session.get("next"))
        try:
            token = await self._oauth.authorize_access_token(request)
            access = str(token["access_token"])
        except httpx.TransportError as error:
            raise HubAwayError from error
        except (AuthlibBaseError, KeyError, TypeError, ValueError):
            # What went wrong may hold a code or a token, so it is not passed on.
            raise AccessError(
                "FL-A101",
                "Du blev ikke logget ind.",
                rule="et login skal begynde og slutte i den samme browser, inden for ti minutter.",
                remedy="gå til forsiden, og prøv igen.",
            ) from None
        identity = await self._identify(access)
        self._forget(request)
        # A new number at each login: one that was planted before it is worth nothing.
        number = secrets.token_urlsafe(32)
        self._sessions.put(number, Session(access, identity, time.monotonic()))
        request.session.clear()
        request.session[_SID] = number
        return RedirectResponse(target, status_code=303)

    async def session(self, request: Request) -> Session:
        """Give who is logged in, as the hub says now.

        Raises
        ------
        NeedsLoginError
            When nobody is, or the hub has forgotten the token.
        HubAwayError
            When the hub does not answer.
        AccessError
            FL-A110 when the account no longer has exactly one tenant and one role.
        """
        number = request.session.get(_SID)
        found = self._sessions.find(number) if isinstance(number, str) else None
        if found is None:
            raise NeedsLoginError
        if time.monotonic() - found.checked_at > _TRUST_SECONDS:
            try:
                identity = await self._identify(found.token)
            except (NeedsLoginError, AccessError):
                self._forget(request)
                raise
            if identity.name != found.identity.name:
                self._forget(request)
                raise NeedsLoginError
            found.identity, found.checked_at = identity, time.monotonic()
        return found

    def leave(self, request: Request) -> None:
        """Forget the browser."""
        self._forget(request)
        request.session.clear()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _forget(self, request: Request) -> None:
        number = request.session.get(_SID)
        if isinstance(number, str):
            self._sessions.forget(number)

    async def _identify(self, token: str) -> Identity:
        try:
            answer = await self._client.get(self._user_url, headers={"Authorization": f"Bearer {token}"})
        except httpx.TransportError as error:
            raise HubAwayError from error
        if answer.status_code in (401, 403, 404):
            raise NeedsLoginError
        try:
            user = answer.raise_for_status().json()
            name, groups, kind = user["name"], user["groups"], user.get("kind", "user")
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
            raise HubAwayError from None
        if kind != "user" or not isinstance(name, str) or not isinstance(groups, list):
            raise NeedsLoginError
        return of_groups(name, [str(group) for group in groups], self._tenants)


def own_path(path: object) -> str:
    """Give the path if it is one of this service's pages, else its front page: no redirect leads elsewhere."""
    home = f"{PREFIX}/"
    if not isinstance(path, str) or not path.startswith(home) or len(path) > 500:
        return home
    # Browsers read a backslash as a slash and skip control characters; neither is in any address of ours.
    plain = path.isascii() and path.isprintable() and "\\" not in path and "//" not in path and ".." not in path
    return path if plain else home
