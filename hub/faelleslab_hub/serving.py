"""Serve an ASGI application until SIGTERM or SIGINT, on sockets that are bound before anything else happens.

uvicorn raises the signal again when it has shut down, which would make a clean stop look like a kill; here the signal
ends the process with code 0, after the application's own closing work.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import uvicorn

from faelleslab.errors import ConfigurationError

if TYPE_CHECKING:
    from fastapi import FastAPI

_log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.should_exit = True


def listen(addresses: Sequence[tuple[str, int]]) -> list[socket.socket]:
    """Bind each address; raises `ConfigurationError` FL-K213 naming the first that cannot be had."""
    sockets: list[socket.socket] = []
    for host, port in addresses:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((host, port))
            # Whoever comes before the application is ready waits instead of being turned away.
            made.listen(128)
        except OSError as error:
            for opened in (made, *sockets):
                opened.close()
            raise ConfigurationError(
                "FL-K213",
                f"Der kan ikke lyttes på {host}:{port} ({error.strerror}).",
                remedy="stop det, der bruger porten, eller vælg en anden med PORT=; "
                "er det en kommunes net, så kør 'make up', der opretter det.",
            ) from None
        made.set_inheritable(False)
        sockets.append(made)
    return sockets


def serve(app: "FastAPI", sockets: list[socket.socket], *, root_path: str = "") -> int:
    """Serve until told to stop; 0 after a clean stop, 1 when the application could not start."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        root_path=root_path,
        lifespan="on",
        timeout_graceful_shutdown=5,
        # The proxy in front tells the browser's address and scheme; only it may.
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1",
    )
    server = _Server(config)
    _log.info("listening on %s", ", ".join(f"{host}:{port}" for host, port in (s.getsockname() for s in sockets)))
    try:
        server.run(sockets=sockets)
    finally:
        for opened in sockets:
            opened.close()
    return 0 if server.started else 1
