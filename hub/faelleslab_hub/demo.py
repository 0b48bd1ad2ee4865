"""`make demo`: the whole workbench as local processes on 127.0.0.1, with SQLite and without any isolation.

Runs in the foreground until Ctrl-C, and ends everything it started. State stays in the home folder.
"""

import argparse
import hashlib
import os
import shutil
import signal
import time
from pathlib import Path

from faelleslab_hub import accounts, installation, ports, secret_files, supervisor, workbench
from faelleslab_hub.progress import Progress
from faelleslab_hub.settings import CHECKOUT, Settings
from faelleslab_hub.tenants import OPERATION, Tenants

_SOURCES = CHECKOUT / "notebooks" / "templates"


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `demo`."""
    subparsers.add_parser("demo", help="start arbejdsbordet på denne maskine, uden isolation").set_defaults(
        handler=_demo
    )


def run(settings: Settings) -> int:
    """Start the demo, stay until a stop signal, end everything; gives the exit code."""
    for number in supervisor.STOP_SIGNALS:
        signal.signal(number, _interrupt)
    progress = Progress(5)
    began = time.monotonic()
    progress.begin("Mapper og porte")
    with installation.exclusive(settings):
        from faelleslab_hub import database
        from faelleslab_hub.spawner import embedded

        # What a demo left behind that was killed together with its guard.
        embedded.stop_all(settings)
        ports.need_free(settings)
        progress.begin("Hemmeligheder og database")
        secret_files.create_missing(settings)
        database.upgrade(settings)
        progress.begin("Skabeloner")
        build_templates(settings)
        progress.begin("Processer")
        keeper = supervisor.Supervisor(settings, workbench.processes(settings), progress.say)
        clean = True
        try:
            keeper.start(progress.detail)
            progress.begin("Prøvelogin")
            workbench.probe_login(settings)
            progress.end()
            print(_ready(settings, time.monotonic() - began), flush=True)
            keeper.watch()
        except supervisor.Stopped:
            progress.end()
        finally:
            print("Stopper …", flush=True)
            clean = keeper.stop()
        print("Alt er stoppet." if clean else "Alt er stoppet; noget måtte tvinges.", flush=True)
    return 0


def build_templates(settings: Settings) -> None:
    """Build the template notebooks into the home, unless they are built from these very sources already."""
    sources = _templates()
    target = settings.home / "notebooks"
    digest = hashlib.sha256()
    for path in [*sources, *sorted((CHECKOUT / "kit" / "faelleslab").rglob("*.py"))]:
        digest.update(path.read_bytes())
    mark = target / ".sources"
    if not sources or (mark.is_file() and mark.read_text(encoding="ascii") == digest.hexdigest()):
        return
    from faelleslab.ui.build import build_notebooks

    fresh = target.with_name("notebooks.new")
    shutil.rmtree(fresh, ignore_errors=True)
    build_notebooks(_SOURCES, fresh)
    (fresh / ".sources").write_text(digest.hexdigest(), encoding="ascii")
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def _templates() -> list[Path]:
    return sorted(path for path in _SOURCES.glob("*.py") if not path.name.startswith("_"))


def _demo(_given: argparse.Namespace, settings: Settings) -> int:
    if settings.mode != "embedded":
        os.environ["FAELLESLAB_MODE"] = "embedded"
        settings = Settings.from_environment()
    return supervisor.guarded(lambda: run(settings))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _ready(settings: Settings, seconds: float) -> str:
    address = installation.url(settings)
    tenants = Tenants.load(settings.config)
    password = secret_files.read(settings, "hub", "account-password")
    rows = []
    for account in accounts.available(tenants.by_code):
        place = "maskinen" if account.tenant == OPERATION else tenants.get(account.tenant).display_name
        rows.append(f"  {account.name:<18}{account.role_name:<28}{place}")
    template = next(iter(_templates()), None)
    return "\n".join(
        [
            f"Klar: {address}",
            f"(startet på {seconds:.0f} s)",
            "",
            f"Konti; adgangskoden er den samme for alle: {password}",
            *rows,
            "",
            "Prøv:",
            f"  1. Åbn {address}, log ind som {_first(tenants).name}, og tryk 'Åbn arbejdsbordet'.",
            "  2. Åbn en skabelon, udfyld formularen, og tryk 'Kør'.",
            "  3. Tryk 'Gem til Excel' nederst.",
            *([_run_line(template, tenants, settings)] if template else []),
            "",
            "Demoen har INGEN isolation: alt kører som dig på denne maskine. Brug aldrig rigtige persondata i den.",
            f"Alt gemmes i {settings.home} (logge i logs/). Slet mappen for at begynde forfra.",
            "Stop med Ctrl-C.",
        ]
    )


def _first(tenants: Tenants) -> accounts.Account:
    available = accounts.available(tenants.by_code)
    return next((account for account in available if account.may_start_server), available[0])


def _run_line(template: Path, tenants: Tenants, settings: Settings) -> str:
    home = "" if settings.home == CHECKOUT / ".demo" else f"FAELLESLAB_HOME={settings.home} "
    return (
        "  4. Kør det samme som produktionskørsel, i en anden terminal:\n"
        f"     {home}.venv/bin/faelleslab-hub run {_first(tenants).tenant} {template.relative_to(CHECKOUT)}"
    )
