"""`faelleslab-hub run`: submit a notebook for one tenant, follow it, and end with its exit code."""

import argparse
import getpass
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faelleslab.errors import ParameterError
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import Tenant, Tenants

if TYPE_CHECKING:
    from faelleslab_hub.danish_arguments import DanishParser

_MOST_PARAMETERS = 200
_LONGEST_VALUE = 1_048_576


def add_commands(subparsers: "argparse._SubParsersAction[DanishParser]") -> None:
    """Add `run`."""
    run = subparsers.add_parser("run", help="kør en notesbog i en frisk container")
    run.add_argument("tenant", metavar="KOMMUNEKODE", help="fire cifre, fx 0751 (eller kursus)")
    run.add_argument("notebook", metavar="NOTESBOG", type=Path, help="en .ipynb eller en jupytext .py")
    run.add_argument(
        *("-p", "--parameter"),
        dest="parameters",
        nargs=2,
        metavar=("NAVN", "VÆRDI"),
        help="en parameter; kan gives flere gange",
    )
    run.add_argument("--timeout", type=int, metavar="SEKUNDER", help="tidsgrænse; højst kommunens egen")
    run.set_defaults(handler=_run)
    plain = run.parse_known_args

    def parse(args: Any = None, namespace: Any = None) -> Any:
        rest, pairs = _take_parameters(list(args or ()))
        given, left = plain(rest, namespace)
        given.parameters = pairs
        return given, left

    # A value may begin with a dash (-5, -ukendt-), which argparse would take for an option.
    run.parse_known_args = parse  # type: ignore[method-assign]


def _take_parameters(words: list[str]) -> tuple[list[str], list[list[str]]]:
    """Take each ``-p NAVN VÆRDI`` out of the command line."""
    rest: list[str] = []
    pairs: list[list[str]] = []
    position = 0
    while position < len(words):
        pair = words[position + 1 : position + 3]
        if words[position] in ("-p", "--parameter") and len(pair) == 2:
            pairs.append(pair)
            position += 3
        else:
            rest.append(words[position])
            position += 1
    return rest, pairs


def _run(given: argparse.Namespace, settings: Settings) -> int:
    # Loaded late: a wrong argument should be told at once.
    from faelleslab_hub.runs import follow, presence, store, upload

    tenant = Tenants.load(settings.config).get(given.tenant)
    timeout_s = _timeout(given.timeout, tenant)
    parameters = _parameters(given.parameters)
    name, content = upload.read_notebook(given.notebook)
    away = [process for process in ("placer", "inspector") if not presence.is_alive(settings, process)]
    if away:
        raise follow.not_at_work(away)
    run_id = store.submit(
        settings,
        tenant,
        name,
        content,
        parameters,
        timeout_s=timeout_s,
        submitted_by=None,
        personal={"system_user": getpass.getuser()},
    )
    presence.wake(settings, "placer")
    _say(f"Kørsel {run_id} for {tenant.display_name}.")
    try:
        run = follow.follow(settings, run_id, _say)
    except KeyboardInterrupt:
        _say(f"Kørslen {run_id} fortsætter uden dig; resultatet lægges i {settings.run_folder(tenant.code, run_id)}.")
        return 130
    report = follow.report(settings, run)
    if report is not None:
        print(report)
    _say(run.message or "")
    return 70 if run.exit_code is None else run.exit_code


def _timeout(wanted: int | None, tenant: Tenant) -> int:
    if wanted is None:
        return tenant.run_timeout_s
    if not 1 <= wanted <= tenant.run_timeout_s:
        raise ParameterError(
            "FL-R107",
            f"Tidsgrænsen {wanted} kan ikke bruges.",
            rule=f"den er fra 1 til {tenant.run_timeout_s} sekunder for {tenant.display_name}.",
            remedy="vælg en anden, eller lad --timeout være.",
        )
    return wanted


def _parameters(pairs: list[list[str]]) -> dict[str, str]:
    """Check what can be checked without the notebook; kinds and values are judged by the inspection."""
    faults = []
    for name, value in pairs:
        if not re.fullmatch(r"[^\W\d]\w{0,99}", name):
            faults.append("Et parameternavn er ikke et lovligt navn.")
        elif len(value) > _LONGEST_VALUE or "\0" in value or not _is_text(value):
            faults.append(f"Værdien af '{name}' er for lang eller ikke tekst.")
        elif sum(other == name for other, _ in pairs) > 1:
            faults.append(f"Parameteren '{name}' er givet flere gange.")
    if len(pairs) > _MOST_PARAMETERS:
        faults.append(f"Der er flere end {_MOST_PARAMETERS} parametre.")
    if faults:
        raise ParameterError("FL-R108", " ".join(dict.fromkeys(faults)), remedy="ret parametrene.")
    return {str(name): str(value) for name, value in pairs}


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
