"""Users' servers in containers: one per account, on its tenant's network, gone when it stops.

What the container may reach is decided by `containers.for_server` alone, the same builder that makes runs. The image
is named by its digest, so what was tested is what starts. A hub that is killed finds the containers again by name.
"""

import asyncio
from typing import Any

from dockerspawner import DockerSpawner
from traitlets import default

from faelleslab_hub import containers, folders, images
from faelleslab_hub.spawner import AuditedServer

# Keys of the builder that DockerSpawner fills in itself.
_OWN_KEYS = ("image", "command")


class ContainerServer(AuditedServer, DockerSpawner):
    """One container of the tenant's image."""

    # A stopped container would keep its old mounts and image, whatever the account has lost since.
    remove = True
    use_internal_ip = True
    pull_policy = "never"

    @default("hub_connect_url")
    def _hub_connect_url(self) -> str:
        return f"http://{self.tenant.gateway}:{self.settings.hub_port}"

    @default("network_name")
    def _network_name(self) -> str:
        return self.tenant.network

    @default("notebook_dir")
    def _notebook_dir(self) -> str:
        return containers.HOME

    @default("object_name")
    def _object_name_default(self) -> str:
        return self._spec().name

    @default("extra_create_kwargs")
    def _extra_create_kwargs(self) -> Any:
        return lambda _: {k: v for k, v in self._spec().create_arguments()[0].items() if k not in _OWN_KEYS}

    @default("extra_host_config")
    def _extra_host_config(self) -> Any:
        return lambda _: self._spec().create_arguments()[1]

    async def prepare(self) -> None:
        """Find the digest of the tenant's image as it is now."""
        self.image = await asyncio.to_thread(images.resolve, self.client, self.tenant)

    def prepare_home(self) -> None:
        """Make the home, owned by the user of the container."""
        folders.ensure_home(self.settings, self.account.tenant, self.account.name)

    def event_details(self) -> dict[str, Any]:
        """Add the image to the event."""
        return {**super().event_details(), "image": self.image}

    def _spec(self) -> containers.ContainerSpec:
        return containers.for_server(self.tenant, self.account.name, self.settings, image=self.image)
