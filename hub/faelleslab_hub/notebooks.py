"""The template notebooks: which there are, and how a user gets her own copies.

A user works on a copy in ``skabeloner``. What she has there is never overwritten, so an edited template stays hers.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from faelleslab_hub.settings import CHECKOUT, Settings

FOLDER = "skabeloner"


@dataclass(frozen=True)
class Template:
    """One template notebook as the home page lists it."""

    file: str
    code: str
    title: str

    @property
    def path(self) -> str:
        """Where the copy lies in the user's home."""
        return f"{FOLDER}/{self.file}"


def built_folder(settings: Settings) -> Path:
    """Give the folder of the built notebooks on this machine."""
    return settings.home / "notebooks"


def templates(settings: Settings) -> list[Template]:
    """List the templates by their code; sources stand in where nothing is built on this machine (docker mode)."""
    built = sorted(built_folder(settings).glob("*.ipynb"))
    found = [_from_notebook(path) for path in built] or [
        _from_source(path) for path in sorted((CHECKOUT / "notebooks" / "templates").glob("*.py"))
    ]
    return sorted(found, key=lambda template: (template.code, template.title))


def copy_missing(source: Path, home: Path) -> None:
    """Copy the templates a home does not have yet.

    Parameters
    ----------
    source : Path
        Folder of built notebooks.
    home : Path
        The account's home. A link in the place of the folder is not followed: the hub writes with its own rights.
    """
    folder = home / FOLDER
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        return
    folder.mkdir(exist_ok=True)
    for notebook in sorted(source.glob("*.ipynb")):
        target = folder / notebook.name
        if os.path.lexists(target):
            continue
        shutil.copyfile(notebook, target)


def _from_notebook(path: Path) -> Template:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))["metadata"]["faelleslab"]
        return Template(path.name, str(about["template"]), str(about["title"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Template(path.name, "", path.stem)


def _from_source(path: Path) -> Template:
    heading = next(
        (line[4:].strip() for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("# # ")),
        path.stem,
    )
    return Template(path.with_suffix(".ipynb").name, path.stem.partition("_")[0].upper(), heading)
