"""The broker's process: a health page on each network that may ask, and a checkpoint every two seconds."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from fastapi import FastAPI

from faelleslab.errors import FaelleslabError
from faelleslab_hub import database, secret_files, serving
from faelleslab_hub.audit import checkpoint
from faelleslab_hub.audit.signer import Signer
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import Tenants

CHECKPOINT_EVERY_S = 2.0
_log = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Read the key, open the database, listen and sign until SIGTERM; the last act is a checkpoint."""
    key = checkpoint.private_key(secret_files.read(settings, "broker", "checkpoint-key"))
    sockets = serving.listen(addresses(settings))
    database.upgrade(settings)
    return serving.serve(create_app(Signer(settings, key)), sockets)


def addresses(settings: Settings) -> list[tuple[str, int]]:
    """Where the broker listens: this machine, and in docker mode the gateway of each tenant's network."""
    gateways = [tenant.gateway for tenant in Tenants.load(settings.config)] if settings.mode == "docker" else []
    return [(host, settings.broker_port) for host in ("127.0.0.1", *gateways)]


def create_app(signer: Signer, *, every_s: float = CHECKPOINT_EVERY_S) -> FastAPI:
    """Make the application; signing runs beside it as long as it lives."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        stop = asyncio.Event()
        signing = asyncio.create_task(_sign_until(stop, signer, every_s))
        try:
            yield
        finally:
            stop.set()
            await signing

    app = FastAPI(title="Fælleslab: dataformidler", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/health")
    async def health() -> dict[str, object]:
        # Whoever can reach the broker may know that it lives; which chain is stopped is told to the operator.
        return {"status": "ok", "signing": not signer.stopped}

    return app


async def _sign_until(stop: asyncio.Event, signer: Signer, every_s: float) -> None:
    stopping = False
    while not stopping:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every_s)
        # Read before signing: what happened up to the signal is still signed.
        stopping = stop.is_set()
        try:
            for signed in await asyncio.to_thread(signer.sign_moved):
                _log.debug("chain %s signed at %d", signed.chain, signed.seq)
        except FaelleslabError as error:
            # The database or the disk may come back; the events wait in the chain meanwhile.
            _log.error("no checkpoint: %s", error.code)
        except Exception:
            _log.exception("no checkpoint")
