"""`make up` and `make down`: the workbench with Docker, in the background; containers for servers and runs.

`up` makes nothing that matters silently: a missing engine, image or secret is named with the command that mends it.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

from faelleslab.errors import ConfigurationError
from faelleslab_hub import installation, ports, process_tree, secret_files, supervisor, workbench
from faelleslab_hub.progress import Progress
from faelleslab_hub.settings import CHECKOUT, Settings
from faelleslab_hub.tenants import Tenants

_DOWN_TIMEOUT_S = 60.0


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `up` and `down`."""
    subparsers.add_parser("up", help="start arbejdsbordet med Docker, i baggrunden").set_defaults(handler=_up)
    subparsers.add_parser("down", help="stop det igen; data bliver").set_defaults(handler=_down)


def up(settings: Settings) -> int:
    """Start the workbench in the background and wait until a login works; does nothing when it runs already."""
    progress = Progress(5)
    if installation.holder(settings):
        workbench.probe_login(settings)
        print(f"Klar: {installation.url(settings)}\nArbejdsbordet kørte i forvejen.")
        return 0
    progress.begin("Docker og images")
    client, tenants = _need_images(settings)
    need_secrets(settings)
    with installation.exclusive(settings):
        from faelleslab_hub import database, firewall, networks

        progress.begin("Netværk og porte")
        ports.need_free(settings)
        networks.ensure(client, tenants)
        open_host = not firewall.available()
        if not open_host:
            firewall.ensure(settings, tenants)
        progress.begin("Database")
        secret_files.create_missing(settings)  # nothing is missing; the checkpoints' public key may be
        database.upgrade(settings)
        progress.begin("Processer")
        _start_behind(settings, progress)
    progress.end()
    print(f"Klar: {installation.url(settings)}")
    print(f"Adgangskode til alle konti: {settings.secrets / 'hub' / 'account-password'}")
    print(f"Alt gemmes i {settings.home} (logge i logs/). Stop med 'make down'.")
    if open_host:
        print("Bemærk: maskinens egne porte er ikke lukket mod containerne; det kræver root.")
    return 0


def down(settings: Settings) -> int:
    """Stop the processes and this installation's containers; data stays. Does nothing when nothing runs."""
    running = installation.holder(settings)
    if running:
        print("Stopper …", flush=True)
        _end(running["pid"], running["started"])
    removed = _remove_containers(settings)
    _close_openings(settings)  # only now: as long as a container lives, the machine stays closed to it
    if not running and not removed:
        print("Arbejdsbordet kørte ikke.")
    else:
        containers = f" {removed} containere er fjernet." if removed else ""
        print(f"Arbejdsbordet er stoppet.{containers} Data ligger stadig i {settings.home}.")
    return 0


def need_secrets(settings: Settings) -> None:
    """Raise `ConfigurationError` FL-K342 with the command that makes what is missing."""
    missing = secret_files.missing(settings)
    if missing:
        home = "" if settings.home == CHECKOUT / ".up" else f" FAELLESLAB_HOME={settings.home}"
        raise ConfigurationError(
            "FL-K342",
            f"Der mangler {len(missing)} hemmeligheder i {settings.secrets} ({', '.join(missing)}).",
            rule="'make up' opretter dem ikke af sig selv, så en tabt nøgle bliver opdaget.",
            remedy=f"kør 'FAELLESLAB_MODE=docker{home} .venv/bin/faelleslab-hub secrets create'.",
        )


def _up(_given: argparse.Namespace, settings: Settings) -> int:
    return up(_docker(settings))


def _down(_given: argparse.Namespace, settings: Settings) -> int:
    return down(_docker(settings))


def _docker(settings: Settings) -> Settings:
    if settings.mode == "docker":
        return settings
    os.environ["FAELLESLAB_MODE"] = "docker"
    return Settings.from_environment()


def _need_images(settings: Settings) -> tuple[Any, Tenants]:
    from faelleslab_hub import engine, images

    client = engine.connect()
    tenants = Tenants.load(settings.config)
    for tenant in tenants:
        images.resolve(client, tenant)
    return client, tenants


def _start_behind(settings: Settings, progress: Progress) -> None:
    """Fork the supervisor into a session of its own and follow its start through a pipe."""
    settings.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    from_child, to_parent = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(from_child)
        _behind(settings, to_parent)
    os.close(to_parent)
    try:
        with os.fdopen(from_child, encoding="utf-8") as lines:
            for line in lines:
                event = json.loads(line)
                if "error" in event:
                    os.waitpid(child, 0)
                    what, code = event["error"], event["code"]
                    raise ConfigurationError(code, what, rule=event["rule"], remedy=event["remedy"])
                if "done" in event:
                    progress.detail(event["done"], event["total"], event["name"])
                if event.get("ready"):
                    return
    except KeyboardInterrupt:
        _end(child, process_tree.started(child) or 0)
        raise
    raise ConfigurationError(
        "FL-K343",
        "Arbejdsbordet stoppede, før det var klar.",
        remedy=f"læs {settings.logs / 'supervisor.log'}, og kør 'make up' igen.",
    )


def _behind(settings: Settings, to_parent: int) -> NoReturn:
    """Live on after the command has returned, without its terminal."""
    os.setsid()
    log = settings.logs / "supervisor.log"
    supervisor.rotate(log)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    silent = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, silent), (1, descriptor), (2, descriptor)):
        os.dup2(source, target)
    installation.note_holder(settings)

    def tell(**event: object) -> None:
        try:
            os.write(to_parent, (json.dumps(event) + "\n").encode())
        except OSError:
            return  # nobody waits any more

    code = 70
    try:
        code = supervisor.guarded(lambda: _serve(settings, tell, lambda: os.close(to_parent)))
    finally:
        os._exit(code)


def _serve(settings: Settings, tell: Callable[..., None], close: Callable[[], None]) -> int:
    keeper = supervisor.Supervisor(
        settings, workbench.processes(settings), lambda text: print(time.strftime("%F %T"), text, flush=True)
    )
    try:
        keeper.start(lambda done, total, name: tell(done=done, total=total, name=name))
        workbench.probe_login(settings)
        tell(ready=True)
        close()
        keeper.watch()
    except supervisor.Stopped:
        return 130
    except ConfigurationError as error:
        tell(error=error.what, code=error.code, rule=error.rule, remedy=error.remedy)
        return 2
    finally:
        keeper.stop()
    return 0


def _end(pid: int, start: int) -> None:
    """Ask the supervisor to stop, and end it with all below it when it does not."""
    below = process_tree.descendants(pid) | {pid: start}
    process_tree.send({pid: start}, signal.SIGTERM)
    deadline = time.monotonic() + _DOWN_TIMEOUT_S
    while process_tree.started(pid) == start:
        if time.monotonic() > deadline:
            process_tree.send(below, signal.SIGKILL)
            return
        time.sleep(0.1)


def _close_openings(settings: Settings) -> None:
    """Take this installation's holes in the machine's firewall away; the networks stay, another may use them."""
    from faelleslab_hub import firewall

    if firewall.available():
        firewall.remove(settings, Tenants.load(settings.config))


def _remove_containers(settings: Settings) -> int:
    from faelleslab_hub import containers, engine

    client = engine.connect()
    ours = containers.ours(client, settings)

    def remove(container: dict[str, Any]) -> None:
        from docker.errors import APIError

        try:
            client.stop(container["Id"], timeout=10)
            client.remove_container(container["Id"], force=True, v=True)
        except APIError as error:
            if error.status_code not in (404, 409):  # it went by itself, or is just going
                raise

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(remove, ours))
    return len(ours)
