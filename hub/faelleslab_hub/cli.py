"""The command `faelleslab-hub`: one word per process and per task, each loaded only when it is called.

A room adds its words by a function ``add_commands(subparsers)`` in the module named in `COMMANDS`; each parser sets
``handler``, a function of (arguments, settings) that gives the exit code. A process is a module with
``main(settings) -> int``. Errors of the family are printed as one Danish sentence; anything else is a fault of ours:
its traceback goes to ``logs/error.log`` and the user gets a sentence that says so.
"""

import argparse
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import ModuleType

from faelleslab.errors import ConfigurationError, FaelleslabError
from faelleslab_hub.danish_arguments import DanishParser
from faelleslab_hub.settings import Settings
from faelleslab_hub.shared_files import open_shared

Handler = Callable[[argparse.Namespace, Settings], int]

PROCESSES = {
    "proxy": "proxyen, den eneste port udadtil",
    "hub": "hubben: login og start af servere",
    "web": "websiderne: oversigt, kørsler og hændelser",
    "broker": "dataformidleren; underskriver revisionssporet",
    "placer": "starter kørsler og notebook-tjek",
    "inspector": "tjekker hver notebook i et lukket rum",
}
COMMANDS = {
    "demo": ("faelleslab_hub.demo", "start arbejdsbordet på denne maskine, uden isolation"),
    "up": ("faelleslab_hub.up", "start arbejdsbordet med Docker"),
    "down": ("faelleslab_hub.up", "stop arbejdsbordet igen"),
    "walls": ("faelleslab_hub.walls", "lav kommunernes net, og luk maskinen mod dem"),
    "secrets": ("faelleslab_hub.secret_files", "opret de hemmeligheder, der mangler"),
    "images": ("faelleslab_hub.images.cli", "byg og vis images"),
    "run": ("faelleslab_hub.runs.cli", "kør en notebook i en frisk container"),
    "audit": ("faelleslab_hub.audit.cli", "kontrollér, eksportér og slet i revisionssporet"),
    "database": ("faelleslab_hub.cli", "bring databasen til denne udgave"),
    "check-config": ("faelleslab_hub.cli", "læs opsætningen og vis de kommuner, der er slået til"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; the only place where errors become text."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(words)
    except FaelleslabError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _say("Afbrudt.")
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has had enough; the shell must not see a second failure at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        _say(_log_fault(words[:1]))
        return 70


def add_commands(subparsers: "argparse._SubParsersAction[DanishParser]") -> None:
    """Add `database` and `check-config`."""
    database = subparsers.add_parser("database", help=COMMANDS["database"][1])
    tasks = database.add_subparsers(dest="task", required=True, metavar="OPGAVE")
    tasks.add_parser("upgrade", help=COMMANDS["database"][1]).set_defaults(handler=_upgrade_database)
    check = subparsers.add_parser("check-config", help=COMMANDS["check-config"][1])
    check.set_defaults(handler=_check_config)


def _run(words: list[str]) -> int:
    parser = _parser(words[0] if words else "")
    given = parser.parse_args(words)
    if not hasattr(given, "handler"):
        parser.print_help(sys.stderr)
        return 2
    handler: Handler = given.handler
    return handler(given, Settings.from_environment())


def _parser(word: str) -> DanishParser:
    parser = DanishParser(
        prog="faelleslab-hub",
        description="Fælleslabs hub: processer og opgaver. Indstillinger gives i variablerne FAELLESLAB_*.",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="KOMMANDO", title="kommandoer")
    for name, help_text in PROCESSES.items():
        subparsers.add_parser(name, help=help_text).set_defaults(handler=_process)
    wanted = COMMANDS.get(word, ("", ""))[0]
    for name, (module, help_text) in COMMANDS.items():
        if module != wanted:
            # Listed in the help, without loading the room behind it.
            subparsers.add_parser(name, help=help_text)
    if wanted:
        _load(wanted, word).add_commands(subparsers)
    return parser


def _process(given: argparse.Namespace, settings: Settings) -> int:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Their addresses may hold a code, and their set-up tells nobody anything.
    for name in ("httpx", "alembic.runtime.plugins"):
        logging.getLogger(name).setLevel(logging.WARNING)
    module = _load(f"faelleslab_hub.{given.command}", given.command)
    return int(module.main(settings))


def _load(module: str, word: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == "faelleslab_hub":
            raise ConfigurationError(
                "FL-K205", f"Kommandoen '{word}' findes ikke i denne udgave.", remedy="brug en nyere udgave."
            ) from None
        raise ConfigurationError(
            "FL-K206",
            f"Kommandoen '{word}' mangler pakken '{error.name}'.",
            remedy="kør 'make demo' igen, eller installér faelleslab-hub med alle dens pakker.",
        ) from None


def _upgrade_database(_given: argparse.Namespace, settings: Settings) -> int:
    from faelleslab_hub import database

    database.upgrade(settings)
    print("Databasen svarer til denne udgave.")
    return 0


def _check_config(_given: argparse.Namespace, settings: Settings) -> int:
    from faelleslab_hub.tenants import Tenants

    tenants = Tenants.load(settings.config)
    print(f"Opsætningen i {settings.config} er i orden. Slået til:")
    for tenant in tenants:
        print(f"  {tenant.code}  {tenant.display_name}")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _log_fault(words: list[str]) -> str:
    text = f"{datetime.now(UTC).isoformat()} faelleslab-hub {' '.join(words)}\n{traceback.format_exc()}\n"
    where = ""
    try:
        settings = Settings.from_environment()
        log = settings.logs / "error.log"
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = open_shared(log, os.O_WRONLY | os.O_APPEND, settings)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.write(text)
        where = f" Detaljerne ligger i {log}."
    except (OSError, FaelleslabError):
        # Nowhere to write it: the user's sentence is all there is.
        where = " Detaljerne kunne ikke gemmes."
    fault = FaelleslabError(
        "FL-K999", f"Der skete en uventet fejl.{where}", remedy="giv it-drift besked, og send detaljerne med."
    )
    return str(fault)


if __name__ == "__main__":
    sys.exit(main())
