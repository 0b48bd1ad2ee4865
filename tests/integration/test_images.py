"""The images are built once, verified from the inside, and a fault in them is found."""

import io
import time
from pathlib import Path
from typing import Any

import pytest

from faelleslab.errors import ConfigurationError
from faelleslab_hub.images import LABEL_CONSTRAINTS, build, debian, recipes, verify

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("name", ["base", "analytics", "course"])
def test_the_image_verifies(docker_client: Any, images: dict[str, str], name: str) -> None:
    lines: list[str] = []
    assert verify.verify(docker_client, recipes.find(name), lines.append), "\n".join(lines)
    assert len(lines) > 20


def test_nothing_is_built_when_nothing_has_changed(docker_client: Any, images: dict[str, str]) -> None:
    # New recipes, or their hashes are remembered from the first build.
    start = time.monotonic()
    again = build.build(docker_client, [], lambda _: None)
    assert time.monotonic() - start < 2
    assert {image.name: image.id for image in again if not image.fresh} == images


def test_the_labels_say_what_is_inside(docker_client: Any, images: dict[str, str]) -> None:
    labels = docker_client.inspect_image(images["analytics"])["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "Fælleslab: kommunernes arbejdsbord"
    assert len(labels["org.opencontainers.image.revision"]) == 40
    assert len(labels[LABEL_CONSTRAINTS]) == 64


def test_one_layer_of_the_kit_is_small(docker_client: Any, images: dict[str, str]) -> None:
    # An update of the kit must not send half a gigabyte to every machine.
    layers = [layer["Size"] for layer in docker_client.history(images["base"]) if "/staged" in layer["CreatedBy"]]
    copied = docker_client.history(images["base"])[:12]
    assert not layers or max(layers) < 20e6
    assert sum(1 for layer in copied if layer["Size"] > 50e6) <= 1


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("RUN mkdir {site}/rfc3987_syntax && touch {site}/rfc3987_syntax/__init__.py", "rfc3987_syntax er der ikke"),
        ("RUN chmod 777 /opt/faelleslab/env", "miljøet kan ikke ændres"),
        ("RUN rm -r {site}/tornado-*.dist-info", "pakkerne har de låste versioner"),
        ("RUN cp /bin/true /usr/bin/gcc && chmod 755 /usr/bin/gcc", "programmet gcc er der ikke"),
        ("RUN chmod u+s /bin/su", "intet program låner rettigheder ud"),
        ("ENV LANG=C", "LANG er C.UTF-8"),
    ],
)
def test_a_fault_is_found_from_the_inside(docker_client: Any, images: dict[str, str], line: str, named: str) -> None:
    site = "/opt/faelleslab/env/lib/python3.13/site-packages"
    dockerfile = f"FROM {images['base']}\nUSER root\n{line.format(site=site)}\nUSER 1000:1000\n"
    with spoiled(docker_client, dockerfile) as recipe:
        lines: list[str] = []
        assert verify.verify(docker_client, recipe, lines.append) is False
        assert any("FEJL" in found and named in found for found in lines), "\n".join(lines)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("USER root", "starter ikke som analytiker"),
        ("HEALTHCHECK NONE", "HEALTHCHECK mangler"),
        (f"LABEL {LABEL_CONSTRAINTS}=other", "andre pakkeversioner"),
        ("ENV PIP_INDEX_URL=x", "PIP_INDEX_URL er kommet med"),
        ("ENV https_proxy=x", "https_proxy er kommet med"),
    ],
)
def test_a_fault_is_found_from_the_outside(docker_client: Any, images: dict[str, str], line: str, named: str) -> None:
    with spoiled(docker_client, f"FROM {images['base']}\n{line}\n") as recipe:
        faults = list(verify._outside_faults(docker_client.inspect_image(recipe.repository)))
    assert any(named in fault for fault in faults), faults


class spoiled:  # noqa: N801 - reads as a verb in `with`
    """A base image with one fault, for as long as it is tried."""

    def __init__(self, client: Any, dockerfile: str) -> None:
        self._client = client
        self._dockerfile = dockerfile

    def __enter__(self) -> recipes.Recipe:
        for message in self._client.build(
            fileobj=io.BytesIO(self._dockerfile.encode()), tag="faelleslab-spoiled", rm=True, forcerm=True, decode=True
        ):
            assert "error" not in message, message

        class Spoiled(recipes.Recipe):
            repository = "faelleslab-spoiled"  # type: ignore[assignment]

        return Spoiled("base", None, ())

    def __exit__(self, *_: object) -> None:
        self._client.remove_image("faelleslab-spoiled", force=True)


def test_a_build_step_that_fails_is_named_with_its_log(
    docker_client: Any, images: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "CHECKOUT", tmp_path)
    (tmp_path / "images" / "constraints").mkdir(parents=True)
    (tmp_path / "images" / "constraints" / "base.txt").write_text("")
    (tmp_path / "images" / "broken").mkdir()
    (tmp_path / "images" / "broken" / "Dockerfile").write_text(
        "ARG BASE\nFROM ${BASE}\nRUN echo found-in-log && false\n"
    )
    recipe = recipes.Recipe("broken", "base", (), tmp_path)
    monkeypatch.setitem(build._TITLES, "broken", "x")
    with pytest.raises(ConfigurationError, match=r"Byggetrin 3/\d+: RUN echo found-in-log .* mislykkedes.*FL-K104"):
        build._build_one(docker_client, recipe, images["base"], lambda _: None, anew=False)
    assert "found-in-log" in (tmp_path / "build" / "image-broken.log").read_text()
    assert not list((tmp_path / "build").glob("context-*")), "the context is left behind"


def test_the_foundation_is_used_as_it_is(docker_client: Any, images: dict[str, str]) -> None:
    said: list[str] = []
    assert debian.ensure(docker_client, said.append) == docker_client.inspect_image(debian.NAME)["Id"]
    assert said == []
