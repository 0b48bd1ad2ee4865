"""The hub: JupyterHub, listening on loopback and, with Docker, on each municipality's gateway. Nowhere else."""

import sys
from typing import Any

from jupyterhub.app import JupyterHub
from tornado.ioloop import PeriodicCallback

from faelleslab.errors import ConfigurationError
from faelleslab_hub import handlers
from faelleslab_hub.settings import CHECKOUT, Settings
from faelleslab_hub.tenants import Tenants

CONFIG = CHECKOUT / "hub" / "jupyterhub_config.py"
_PROXY_CHECK_S = 5


class Hub(JupyterHub):
    """JupyterHub with our pages in front of its own, and one more listener per tenant."""

    name = "faelleslab-hub"

    def init_handlers(self) -> None:
        """Put our handlers before JupyterHub's, which would otherwise win."""
        super().init_handlers()
        self.handlers[:0] = self.add_url_prefix(self.hub_prefix, handlers.handlers())

    async def start(self) -> None:
        """Start, then listen where the tenants' servers can reach the hub.

        0.0.0.0 would open the hub to every network of the machine; a container reaches its own gateway only.
        """
        await super().start()
        self._mending = PeriodicCallback(self._mend_routes, 1000 * _PROXY_CHECK_S)
        self._mending.start()
        settings = Settings.from_environment()
        if settings.mode == "docker":
            for address in gateways(settings):
                self._listen(address, settings.hub_port)

    async def _mend_routes(self) -> None:
        """Give a proxy that was restarted its routes back: it keeps them in memory only."""
        try:
            routes = await self.proxy.get_all_routes()
        except Exception as error:
            self.log.warning("The proxy does not answer: %s", error)
            return
        if self.hub.routespec not in routes:
            self.log.warning("The proxy has lost its routes; they are added again")
            await self.proxy.check_routes(self.users, self._service_map, routes)

    def _listen(self, address: str, port: int) -> None:
        try:
            self.http_server.listen(port, address=address)
        except OSError as error:
            raise ConfigurationError(
                "FL-L030",
                f"Hubben kan ikke lytte på {address}:{port} ({error.strerror}).",
                rule="hubben lytter på hver kommunes eget net.",
                remedy="kør 'make up', som opretter nettene, og se efter, at porten er fri.",
            ) from None
        self.log.info("Hub API listening on %s:%s", address, port)


def gateways(settings: Settings) -> list[str]:
    """Make the tenants' networks that are missing and give their gateways.

    The broker listens on the same addresses.
    """
    from faelleslab_hub import engine, networks

    tenants = list(Tenants.load(settings.config))
    client = engine.connect()
    try:
        networks.ensure(client, tenants)
    finally:
        client.close()
    return [tenant.gateway for tenant in tenants]


def main(settings: Settings) -> int:
    """Run the hub until it is told to stop; gives its exit code."""
    if not CONFIG.is_file():
        raise ConfigurationError(
            "FL-L031", f"Filen {CONFIG} mangler.", remedy="hent hele projektet igen; filen hører til hubben."
        )
    settings.hub_state.mkdir(mode=0o700, parents=True, exist_ok=True)
    arguments: list[Any] = [f"--config={CONFIG}"]
    try:
        Hub.launch_instance(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Settings.from_environment()))
