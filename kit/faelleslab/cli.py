"""The command ``faelleslab``: run a notebook, show its parameters, build templates.

Every import that is not needed to read the command line waits until its command is known. A fault is one Danish
sentence with a code on stderr, and an exit code; never a stack trace.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from faelleslab import __version__
from faelleslab.errors import FaelleslabError, ParameterError, RunError

_INTERNAL = 70


class UsageError(RunError):
    """The command line was not understood."""

    exit_code = 2


class _Parser(argparse.ArgumentParser):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "add_help": False, "allow_abbrev": False})
        self._positionals.title = "det, der skal angives"
        self._optionals.title = "valg"
        self.add_argument("-h", "--help", action="help", help="vis denne hjælp")

    def error(self, message: str) -> NoReturn:
        raise UsageError("FL-R007", "Kommandoen blev ikke forstået.", remedy=f"se '{self.prog} --help'.")

    def format_usage(self) -> str:
        return super().format_usage().replace("usage:", "brug:", 1)

    def format_help(self) -> str:
        return super().format_help().replace("usage:", "brug:", 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        given, parameters = _parameters_of(given)
        chosen = _parser().parse_args(given)
        if parameters and chosen.command != "run":
            raise UsageError("FL-R007", "-p hører til 'faelleslab run'.", remedy="se 'faelleslab --help'.")
        chosen.parameter = parameters
        return int(chosen.act(chosen))
    except FaelleslabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        print("Afbrudt.", file=sys.stderr)
        return 14
    except Exception as error:  # a fault of ours: its class helps support, its text may hold data
        print(f"Der skete en intern fejl ({type(error).__name__}).", end=" ", file=sys.stderr)
        print("Gør: prøv igen; sker det igen, så vis it-drift denne besked. (FL-R008)", file=sys.stderr)
        return _INTERNAL


def _parameters_of(given: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Take ``-p NAVN VÆRDI`` out of the command line: a value may begin with a dash, which argparse would not allow."""
    rest: list[str] = []
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(given):
        if given[position] in ("-p", "--parameter"):
            pair = given[position + 1 : position + 3]
            if len(pair) < 2:
                raise ParameterError("FL-P004", "-p skal følges af et navn og en værdi.", remedy="skriv -p navn værdi.")
            if pair[0] in dict(found):
                raise ParameterError("FL-P004", "Den samme parameter er angivet to gange med -p.")
            found.append((pair[0], pair[1]))
            position += 3
        else:
            rest.append(given[position])
            position += 1
    return rest, found


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="faelleslab", description="Fælleslab: kør notesbøger, og byg skabeloner.")
    parser.add_argument("--version", action="version", version=__version__, help="vis versionen")
    commands = parser.add_subparsers(dest="command", required=True, metavar="KOMMANDO", title="kommandoer")

    run = commands.add_parser(
        "run",
        help="kør en notesbog",
        description="Kør en notesbog med typede parametre. Mappen får notesbogen med output, rapport og result.json.",
        epilog="Slutkoder: 0 gennemført, 2 afvist, 10 fejl i en celle, 11 processen døde, 12 ikke hukommelse nok, "
        "13 tidsgrænse, 14 afbrudt, 70 intern fejl.",
    )
    run.add_argument("notebook", metavar="NOTESBOG", type=Path, help=".ipynb eller percent-.py")
    # Read by _parameters_of; named here so that the help shows it.
    run.add_argument("-p", "--parameter", nargs=2, metavar=("NAVN", "VÆRDI"), help="sæt en parameter (kan gentages)")
    run.add_argument("--parameters", metavar="FIL.json", type=Path, help="parametre som et JSON-objekt; -p går forud")
    run.add_argument("--output", metavar="MAPPE", type=Path, help="standard: <navn>-koersel-<tid> ved siden af")
    run.add_argument("--timeout", metavar="SEKUNDER", type=float, help="standses efter så mange sekunder")
    run.set_defaults(act=_run)

    show = commands.add_parser(
        "parameters", help="vis en notesbogs parametre", description="Vis parametrene som JSON; intet udføres."
    )
    show.add_argument("notebook", metavar="NOTESBOG", type=Path, help=".ipynb eller percent-.py")
    show.set_defaults(act=_show_parameters)

    build = commands.add_parser(
        "build-notebooks",
        help="byg skabeloner til notesbøger",
        description="Byg percent-.py i en mappe til .ipynb i en anden.",
    )
    build.add_argument("source", metavar="KILDE", type=Path, help="mappe med percent-.py")
    build.add_argument("target", metavar="MÅL", type=Path, help="mappe til .ipynb")
    build.set_defaults(act=_build_notebooks)
    return parser


def _run(chosen: argparse.Namespace) -> int:
    from faelleslab.jobs.runner import default_output, run_notebook

    parameters = {**_from_file(chosen.parameters), **dict(chosen.parameter)}
    output = chosen.output or default_output(chosen.notebook.absolute())
    result = run_notebook(chosen.notebook, parameters, output, timeout_s=chosen.timeout, progress=_progress)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    if not result.succeeded:
        print(f"{result.message} ({result.code})", file=sys.stderr)
    report = output / f"{chosen.notebook.stem}.html"
    if report.exists():
        print(f"Rapport: {report}", file=sys.stderr)
    return result.exit_code


def _progress(number: int, total: int, label: str) -> None:
    text = f"Celle {number} af {total} · {label}"
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:100]}", end="", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)


def _from_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    remedy = 'skriv et JSON-objekt, for eksempel {"kommunekode": "0751"}.'
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_once)
    except OSError:
        raise ParameterError("FL-P003", f"Parameterfilen {path.name} kan ikke læses.", remedy="se stien.") from None
    except (ValueError, RecursionError):
        raise ParameterError("FL-P003", f"Parameterfilen {path.name} er ikke gyldig JSON.", remedy=remedy) from None
    if not isinstance(found, dict):
        raise ParameterError("FL-P003", f"Parameterfilen {path.name} er ikke et JSON-objekt.", remedy=remedy)
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name given twice: JSON would let the last one win in silence."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError
    return dict(pairs)


def _show_parameters(chosen: argparse.Namespace) -> int:
    from faelleslab.jobs.notebook import read_notebook
    from faelleslab.jobs.parameters import read_schema

    notebook, _ = read_notebook(chosen.notebook)
    print(json.dumps([p.as_json() for p in read_schema(notebook)], ensure_ascii=False, indent=1))
    return 0


def _build_notebooks(chosen: argparse.Namespace) -> int:
    from faelleslab.ui.build import build_notebooks

    for path in build_notebooks(chosen.source, chosen.target):
        print(path)
    return 0
