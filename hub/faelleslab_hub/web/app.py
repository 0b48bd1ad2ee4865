"""The web service's process and application."""

import contextlib
import hashlib
import hmac
import logging
from collections.abc import AsyncIterator

import httpx
from fastapi import FastAPI
from starlette.middleware.sessions import SessionMiddleware
from starlette.staticfiles import StaticFiles

from faelleslab_hub import database, secret_files, serving
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import Tenants
from faelleslab_hub.web import api, errors, guard, pages, rendering
from faelleslab_hub.web.hub_login import PREFIX, SESSION_SECONDS, HubLogin
from faelleslab_hub.web.rendering import Pages
from faelleslab_hub.web.verdicts import Verdicts

_log = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Serve on 127.0.0.1 until SIGTERM."""
    secret = secret_files.read(settings, "web", "web-client-secret")
    tenants = Tenants.load(settings.config)
    sockets = serving.listen([("127.0.0.1", settings.web_port)])
    database.upgrade(settings)
    return serving.serve(create_app(settings, secret, tenants), sockets)


def create_app(
    settings: Settings, secret: str, tenants: Tenants, transport: httpx.AsyncBaseTransport | None = None
) -> FastAPI:
    """Make the application; ``transport`` stands in for the network to the hub in tests."""
    login = HubLogin(settings, secret, tenants.by_code, transport)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await login.close()

    app = FastAPI(
        title="Fælleslab",
        description="Kørsler i ens egen kommune.",
        version="1",
        lifespan=lifespan,
        openapi_url=f"{PREFIX}/api/openapi.json",
        # The interactive pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.state.login = login
    made_pages = Pages(settings, tenants)
    errors.install(app, made_pages)
    app.include_router(api.create_router(settings))
    app.include_router(pages.create_router(settings, login, made_pages, Verdicts(settings)))

    async def health() -> dict[str, str]:
        return {"status": "ok"}

    for path in ("/health", f"{PREFIX}/health"):
        app.add_api_route(path, health, include_in_schema=False)
    _mount_look(app)
    app.add_middleware(
        SessionMiddleware,
        # Not the client's secret itself: what signs cookies is not shown to the hub.
        secret_key=hmac.digest(secret.encode(), b"faelleslab web session", hashlib.sha256).hex(),
        session_cookie="faelleslab-web",
        max_age=SESSION_SECONDS,
        path=f"{PREFIX}/",
        same_site="lax",
        https_only=settings.public_url.startswith("https:"),
    )
    app.add_middleware(guard.Headers)
    return app


def _mount_look(app: FastAPI) -> None:
    for name, folder in (
        ("dkfds", rendering.DESIGN_SYSTEM),
        ("hub", rendering.HUB_LOOK),
        ("web", rendering.OWN_LOOK),
    ):
        if folder.is_dir():
            app.mount(f"{PREFIX}/faste/{name}", StaticFiles(directory=folder))
        else:
            _log.warning("%s is missing; pages are shown without it", folder)
