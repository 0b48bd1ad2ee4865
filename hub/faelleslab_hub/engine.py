"""The Docker engine: one way to reach it, and one sentence when it is not there."""

import os
import socket
from typing import Any

import docker
from docker.errors import DockerException
from docker.utils import kwargs_from_env

from faelleslab.errors import ConfigurationError

_DEFAULT = "unix:///var/run/docker.sock"


def connect(*, timeout_s: int = 60) -> Any:
    """Give a `docker.APIClient` of the engine that DOCKER_HOST or the usual socket names.

    Raises
    ------
    ConfigurationError
        FL-K100 when no engine answers or this user may not talk to it.
    """
    try:
        _knock(os.environ.get("DOCKER_HOST") or _DEFAULT)
        return docker.APIClient(**kwargs_from_env(), timeout=timeout_s)
    except PermissionError:
        raise ConfigurationError(
            "FL-K100",
            "Docker svarer, men ikke til denne bruger.",
            remedy="kør 'sudo usermod -aG docker $USER', og log ind igen.",
        ) from None
    except (DockerException, OSError):
        raise ConfigurationError(
            "FL-K100",
            "Docker svarer ikke på denne maskine.",
            rule="alt andet end 'make demo' kræver en Docker-motor.",
            remedy="kør 'sudo apt-get install docker.io' og 'sudo systemctl start docker'.",
        ) from None


def _knock(address: str) -> None:
    """Try a local socket before the SDK does: it would hide the reason and leave its own socket open."""
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as knock:
            knock.connect(address.removeprefix("unix://"))
