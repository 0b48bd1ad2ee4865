"""A real hub starts a real server in a container: what the builder says is what DockerSpawner makes of it."""

from typing import Any

import pytest
from tests.bench.start_sides import ACCOUNT, ours

from faelleslab_hub import containers

pytestmark = pytest.mark.docker


def test_login_start_and_stop_through_the_hub(docker_client: Any, images: dict[str, str]) -> None:
    with ours(docker_client) as side:
        side.start_server()
        (container,) = side.containers(docker_client)
        told = docker_client.inspect_container(container)
        assert told["Image"] == images["analytics"]
        assert told["HostConfig"]["NetworkMode"] == "fl-0751"
        assert told["HostConfig"]["ReadonlyRootfs"] is True
        assert told["HostConfig"]["CapDrop"] == ["ALL"]
        assert told["HostConfig"]["SecurityOpt"] == ["no-new-privileges"]
        assert told["HostConfig"]["CpuQuota"] == 2 * told["HostConfig"]["CpuPeriod"]
        assert told["HostConfig"]["Memory"] == told["HostConfig"]["MemorySwap"] > 0
        assert told["HostConfig"]["PortBindings"] in (None, {})
        assert told["Config"]["User"].split(":")[0] != "0"
        labels = told["Config"]["Labels"]
        assert labels[containers.LABEL_TENANT] == "0751"
        assert ACCOUNT not in str(labels) + told["Name"]
        mounted = {mount["Destination"] for mount in told["Mounts"] if mount["Type"] == "bind"}
        assert mounted == {containers.HOME}
        side.stop_server(docker_client)
        assert side.containers(docker_client) == []
