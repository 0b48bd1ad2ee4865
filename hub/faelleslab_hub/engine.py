"""The Docker engine: one way to reach it, and one sentence when it is not there."""

from typing import Any

import docker
from docker.errors import DockerException
from docker.utils import kwargs_from_env

from faelleslab.errors import ConfigurationError


def connect(*, timeout_s: int = 60) -> Any:
    """Give a `docker.APIClient` of the engine that DOCKER_HOST or the usual socket names.

    Raises
    ------
    ConfigurationError
        FL-K100 when no engine answers or this user may not talk to it.
    """
    try:
        client = docker.APIClient(**kwargs_from_env(), timeout=timeout_s)
        client.ping()
    except (DockerException, OSError) as error:
        denied = "Permission denied" in str(error)
        raise ConfigurationError(
            "FL-K100",
            "Docker svarer, men ikke til denne bruger." if denied else "Docker svarer ikke på denne maskine.",
            rule="alt andet end 'make demo' kræver en Docker-motor.",
            remedy="kør 'sudo usermod -aG docker $USER', og log ind igen."
            if denied
            else "kør 'sudo apt-get install docker.io' og 'sudo systemctl start docker'.",
        ) from None
    return client
