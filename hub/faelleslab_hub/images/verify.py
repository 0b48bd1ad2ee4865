"""Try an image: its own script from the inside, its labels and settings from the outside."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from docker.errors import ImageNotFound

from faelleslab.errors import ConfigurationError
from faelleslab_hub.containers import HOME, ContainerSpec, Mount, create
from faelleslab_hub.images import LABEL_CONSTRAINTS, LABEL_INPUTS
from faelleslab_hub.images.recipes import Recipe
from faelleslab_hub.settings import CHECKOUT

_LIMIT_S = 600
_LABELS = (
    "org.opencontainers.image.title",
    "org.opencontainers.image.licenses",
    "org.opencontainers.image.revision",
    LABEL_CONSTRAINTS,
    LABEL_INPUTS,
)


def verify(client: Any, recipe: Recipe, report: Callable[[str], None]) -> bool:
    """Check one image and report a line per check; gives whether all hold.

    Raises
    ------
    ConfigurationError
        FL-K101 when the image is not there.
    """
    try:
        image = client.inspect_image(recipe.repository)
    except ImageNotFound:
        raise ConfigurationError(
            "FL-K101", f"Imaget {recipe.repository} findes ikke på denne maskine.", remedy="kør 'make images'."
        ) from None
    report(f"{recipe.repository} {image['Id'][:19]}")
    faults = list(_outside_faults(image))
    for fault in faults:
        report(f"  FEJL {fault}")
    return _inside(client, recipe, str(image["Id"]), report) and not faults


def _outside_faults(image: dict[str, Any]) -> Iterator[str]:
    config = image["Config"]
    labels = config.get("Labels") or {}
    for label in _LABELS:
        if not labels.get(label):
            yield f"mærkatet {label} mangler"
    constraints = (CHECKOUT / "images" / "constraints" / "base.txt").read_bytes()
    if labels.get(LABEL_CONSTRAINTS) != hashlib.sha256(constraints).hexdigest():
        yield "imaget er bygget af andre pakkeversioner end dem i images/constraints/base.txt"
    if config.get("User") != "1000:1000":
        yield "imaget starter ikke som analytiker (1000:1000)"
    if (config.get("Healthcheck") or {}).get("Test", ["NONE"]) == ["NONE"]:
        yield "HEALTHCHECK mangler"
    for variable in config.get("Env") or []:
        if "PROXY" in variable.upper().split("=")[0] or "PIP_" in variable:
            yield f"byggemaskinens {variable.split('=')[0]} er kommet med ind i imaget"


def _inside(client: Any, recipe: Recipe, image: str, report: Callable[[str], None]) -> bool:
    spec = ContainerSpec(
        name="",
        image=image,
        command=(f"/srv/verify/{recipe.name}/verify",),
        environment={"HOME": HOME, "JUPYTER_RUNTIME_DIR": "/tmp/jupyter"},  # noqa: S108 - inside the container
        network=None,
        user="1000:1000",
        memory_bytes=2 * 2**30,
        cpus=2,
        pids=256,
        mounts=(Mount(str(CHECKOUT / "images"), "/srv/verify", read_only=True),),
        labels={"dk.faelleslab.kind": "verify"},
        tmpfs={
            HOME: "rw,nosuid,nodev,noexec,mode=0700,uid=1000,gid=1000,size=256m",
            "/tmp": "rw,nosuid,nodev,noexec,mode=1777,size=256m",  # noqa: S108
        },
    )
    container = create(client, spec)
    try:
        client.start(container)
        for line in _lines(client.logs(container, stream=True, follow=True)):
            report(f"  {line}")
        return int(client.wait(container, timeout=_LIMIT_S)["StatusCode"]) == 0
    finally:
        client.remove_container(container, force=True)


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")
