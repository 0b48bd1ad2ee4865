"""What goes into each image. The tag is a hash of it: same inputs, same tag, and nothing to build."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from faelleslab.errors import ConfigurationError
from faelleslab_hub.settings import CHECKOUT

_LEFT_OUT = {"__pycache__", ".ipynb_checkpoints", "node_modules"}
# Beside the Dockerfile, but not in the image: a better check or text needs no new image.
_NOT_INSIDE = {"README.md", "verify"}


@dataclass(frozen=True)
class Recipe:
    """One image: its folder under images/, what it stands on, and which parts of the checkout it holds."""

    name: str
    parent: str | None
    sources: tuple[str, ...]
    checkout: Path = CHECKOUT

    @property
    def repository(self) -> str:
        """Name without tag, as in a tenant's configuration."""
        return f"faelleslab/{self.name}"

    @property
    def folder(self) -> Path:
        """Where Dockerfile and verify lie."""
        return self.checkout / "images" / self.name

    @cached_property
    def source_hash(self) -> str:
        """Hash of the names, modes and contents of every source file."""
        digest = hashlib.sha256()
        for path in self.files():
            content = path.read_bytes()
            mode = "x" if path.stat().st_mode & 0o100 else "-"
            digest.update(f"{path.relative_to(self.checkout)}\0{mode}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()

    def tag(self, parent_id: str) -> str:
        """Give the tag of this recipe on top of one exact parent image."""
        return hashlib.sha256(f"{parent_id}\0{self.source_hash}".encode()).hexdigest()[:12]

    def files(self) -> Iterator[Path]:
        """List the source files in a fixed order; what was not yet written is simply not there."""
        for source in (f"images/{self.name}", *self.sources):
            root = self.checkout / source
            paths = sorted(root.rglob("*")) if root.is_dir() else [root]
            for path in paths:
                if path.is_file() and not self._left_out(path):
                    yield path

    def _left_out(self, path: Path) -> bool:
        parts = path.relative_to(self.checkout).parts
        beside = path.parent == self.folder and path.name in _NOT_INSIDE
        return beside or path.suffix == ".ipynb" or bool(_LEFT_OUT.intersection(parts))


BASE = Recipe(
    "base",
    None,
    (
        "images/constraints/base.txt",
        "images/constraints/builder.txt",
        "kit",
        "pyproject.toml",
        "LICENSE",
        "notebooks/templates",
    ),
)
ANALYTICS = Recipe("analytics", "base", ())
COURSE = Recipe("course", "base", ("notebooks/course",))
# In the order of building: a parent before what stands on it.
RECIPES = (BASE, ANALYTICS, COURSE)


def find(name: str) -> Recipe:
    """Give the recipe; raises `ConfigurationError` (FL-K103) for an unknown name."""
    for recipe in RECIPES:
        if name in (recipe.name, recipe.repository):
            return recipe
    names = ", ".join(recipe.name for recipe in RECIPES)
    raise ConfigurationError("FL-K103", f"Imaget '{name}' findes ikke.", remedy=f"vælg et af {names}.")
