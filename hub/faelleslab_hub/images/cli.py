"""The command `faelleslab-hub images`: build, list and verify."""

import argparse
import sys

from faelleslab_hub.danish_arguments import DanishParser
from faelleslab_hub.settings import Settings


def add_commands(subparsers: "argparse._SubParsersAction[DanishParser]") -> None:
    """Add `images build|list|verify`."""
    images = subparsers.add_parser("images", help="byg og vis images")
    tasks = images.add_subparsers(dest="task", required=True, metavar="OPGAVE")
    build = tasks.add_parser("build", help="byg de images, hvis indhold er ændret")
    build.add_argument("names", nargs="*", metavar="NAVN", help="base, analytics eller course; ellers alle")
    build.add_argument("--anew", action="store_true", help="byg forfra, med Debians nyeste sikkerhedsrettelser")
    build.set_defaults(handler=_build)
    tasks.add_parser("list", help="vis de images, der er bygget").set_defaults(handler=_list)
    verify = tasks.add_parser("verify", help="efterprøv images indefra")
    verify.add_argument("names", nargs="*", metavar="NAVN", help="base, analytics eller course; ellers alle")
    verify.set_defaults(handler=_verify)


def _build(given: argparse.Namespace, _settings: Settings) -> int:
    from faelleslab_hub import engine
    from faelleslab_hub.images import build

    # A build step may be silent for minutes (compiling, unpacking).
    for image in build.build(engine.connect(timeout_s=1800), given.names, _report, anew=given.anew):
        print(f"{image.reference}  {image.id}")
    return 0


def _list(_given: argparse.Namespace, _settings: Settings) -> int:
    from faelleslab_hub import engine
    from faelleslab_hub.images import LABEL_CONSTRAINTS

    found = engine.connect().images(filters={"label": LABEL_CONSTRAINTS})
    for image in sorted(found, key=lambda image: sorted(image["RepoTags"] or [])):
        tags = " ".join(sorted(tag for tag in image["RepoTags"] or ["(uden navn)"]))
        print(
            f"{tags}  {image['Size'] / 1e6:.0f} MB  {image['Labels'].get('org.opencontainers.image.revision', '')[:12]}"
        )
    if not found:
        _report("Ingen images er bygget endnu. Gør: kør 'make images'.")
    return 0


def _verify(given: argparse.Namespace, _settings: Settings) -> int:
    from faelleslab_hub import engine
    from faelleslab_hub.images import verify
    from faelleslab_hub.images.recipes import RECIPES, find

    client = engine.connect(timeout_s=600)
    recipes = [find(name) for name in given.names] or list(RECIPES)
    failed = [recipe.name for recipe in recipes if not verify.verify(client, recipe, _report)]
    return 1 if failed else 0


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
