"""Build the images with the engine's classic builder: a context laid out here, one progress line per step."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.errors import APIError, ImageNotFound

from faelleslab.errors import ConfigurationError
from faelleslab_hub.images import LABEL_CONSTRAINTS, LABEL_INPUTS, debian, wheels
from faelleslab_hub.images.recipes import RECIPES, Recipe, find
from faelleslab_hub.settings import CHECKOUT

Report = Callable[[str], None]

_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_STEP = re.compile(r"^Step (\d+)/(\d+) : (.*)")
_TITLES = {
    "base": "Fælleslab: grundimage",
    "analytics": "Fælleslab: kommunernes arbejdsbord",
    "course": "Fælleslab: kursus",
}
# What may be found inside, by the packages' own statements; the files lie beside each package in the image.
_LICENCES = "MPL-2.0 AND BSD-3-Clause AND Apache-2.0 AND MIT AND PSF-2.0 AND GPL-2.0-or-later"


@dataclass(frozen=True)
class Built:
    """One image after `build`: ``fresh`` is False when its inputs were unchanged."""

    name: str
    reference: str
    id: str
    fresh: bool


def build(client: Any, names: list[str], report: Report, *, anew: bool = False) -> list[Built]:
    """Build the named images (all when empty) and what they stand on; nothing is done for unchanged inputs.

    Parameters
    ----------
    anew : bool
        Build even so, without the engine's cache: brings Debian's security updates in.

    Raises
    ------
    ConfigurationError
        FL-K103 … FL-K109: unknown image, missing tool, download or build step that failed.
    """
    wanted = {find(name).name for name in names} or {recipe.name for recipe in RECIPES}
    wanted |= {recipe.parent for recipe in RECIPES if recipe.name in wanted and recipe.parent}
    done: dict[str, Built] = {}
    for recipe in RECIPES:
        if recipe.name in wanted:
            parent = done[recipe.parent].id if recipe.parent else debian.ensure(client, report)
            done[recipe.name] = _build_one(client, recipe, parent, report, anew=anew)
    return list(done.values())


def _build_one(client: Any, recipe: Recipe, parent: str, report: Report, *, anew: bool) -> Built:
    reference = f"{recipe.repository}:{recipe.tag(parent)}"
    found = None if anew else _inspect(client, reference)
    if found is not None:
        client.tag(reference, recipe.repository, "latest")
        report(f"{reference} er uændret")
        return Built(recipe.name, reference, str(found["Id"]), fresh=False)
    report(f"Bygger {reference}")
    (CHECKOUT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"context-{recipe.name}-", dir=CHECKOUT / "build") as folder:
        context = Path(folder)
        _lay_out(recipe, context, report)
        with tempfile.TemporaryFile(dir=folder) as archive:
            _pack(context, archive)
            archive.seek(0)
            _run_builder(client, recipe, reference, parent, archive, report, anew=anew)
    client.tag(reference, recipe.repository, "latest")
    return Built(recipe.name, reference, str(client.inspect_image(reference)["Id"]), fresh=True)


def _inspect(client: Any, reference: str) -> dict[str, Any] | None:
    try:
        return dict(client.inspect_image(reference))
    except ImageNotFound:
        return None


def _lay_out(recipe: Recipe, context: Path, report: Report) -> None:
    """Fill the build context; links instead of copies, the archive follows them."""
    shutil.copy(recipe.folder / "Dockerfile", context)
    notebooks = context / "notebooks"
    notebooks.mkdir()
    if recipe.name == "base":
        _link_all(wheels.download(CHECKOUT / "build" / "wheels", _constraint_files(), report), context / "wheels")
        report("Bygger kittets hjul")
        _link_all([wheels.build_kit(CHECKOUT / "build" / "kit-wheel")], context / "kit")
        shutil.copytree(recipe.folder / "bin", context / "bin")
        _write_overrides(context / "share" / "lab" / "settings")
        build_notebooks(CHECKOUT / "notebooks" / "templates", notebooks, report)
    elif recipe.name == "course":
        build_notebooks(CHECKOUT / "notebooks" / "course", notebooks, report)


def _constraint_files() -> list[Path]:
    folder = CHECKOUT / "images" / "constraints"
    return [folder / "base.txt", folder / "builder.txt"]


def _link_all(files: list[Path], folder: Path) -> None:
    folder.mkdir()
    for file in files:
        (folder / file.name).symlink_to(file)


def _write_overrides(folder: Path) -> None:
    """Put JupyterLab's settings for our users in place; an empty file when the kit has none."""
    source = CHECKOUT / "kit" / "labextension-settings" / "overrides.json"
    folder.mkdir(parents=True)
    (folder / "overrides.json").write_text(
        source.read_text(encoding="utf-8") if source.exists() else "{}\n", encoding="utf-8"
    )


def build_notebooks(source: Path, target: Path, report: Report) -> None:
    """Make the template notebooks from their sources; raises `ConfigurationError` (FL-K109) when one is not valid."""
    if not any(source.glob("*.py")):
        report(f"Ingen notebooks i {source.relative_to(CHECKOUT)} endnu")
        return
    command = [sys.executable, "-m", "faelleslab", "build-notebooks", str(source), str(target)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode or not any(target.glob("*.ipynb")):
        last = (done.stderr.strip().splitlines() or ["ukendt fejl"])[-1]
        raise ConfigurationError("FL-K109", f"Skabelonerne kunne ikke bygges: {last}", remedy="ret notebooken.")


def _pack(context: Path, archive: Any) -> None:
    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        # Owner, time and umask stay out: only names, modes and contents decide about the builder's cache.
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        return member

    with tarfile.open(fileobj=archive, mode="w", dereference=True) as tar:
        for path in sorted(context.iterdir()):
            tar.add(path, arcname=path.name, filter=plain)


def _run_builder(
    client: Any, recipe: Recipe, reference: str, parent: str, archive: Any, report: Report, *, anew: bool
) -> None:
    log = CHECKOUT / "build" / f"image-{recipe.name}.log"
    arguments = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    if recipe.parent:
        arguments["BASE"] = parent
    try:
        stream = client.build(
            fileobj=archive,
            custom_context=True,
            tag=reference,
            rm=True,
            forcerm=True,
            nocache=anew,
            network_mode="host",
            buildargs=arguments,
            labels=_labels(recipe),
            decode=True,
        )
        _follow(stream, log, report)
    except APIError as error:
        raise ConfigurationError("FL-K104", f"Imaget {reference} blev ikke bygget: {error.explanation}.") from None


def _follow(stream: Iterator[dict[str, Any]], log: Path, report: Report) -> None:
    """Write everything to the log, a line per step to the user; raise when a step fails."""
    step = ""
    with log.open("w", encoding="utf-8") as out:
        for message in stream:
            text = str(message.get("stream") or "")
            out.write(text)
            if found := _STEP.match(text):
                step = f"{found[1]}/{found[2]}: {found[3].strip().splitlines()[0][:90]}"
                report(f"  trin {step}")
            if "error" in message:
                out.write(json.dumps(message))
                raise ConfigurationError("FL-K104", f"Byggetrin {step} mislykkedes.", remedy=f"se {log}.")


def _labels(recipe: Recipe) -> dict[str, str]:
    constraints = (CHECKOUT / "images" / "constraints" / "base.txt").read_bytes()
    return {
        "org.opencontainers.image.title": _TITLES[recipe.name],
        "org.opencontainers.image.licenses": _LICENCES,
        "org.opencontainers.image.revision": _revision(),
        LABEL_CONSTRAINTS: hashlib.sha256(constraints).hexdigest(),
        LABEL_INPUTS: recipe.source_hash,
    }


def _revision() -> str:
    command = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
