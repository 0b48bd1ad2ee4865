"""Runs in containers: told apart, walled in, found again, and never a false success."""

import contextlib
import ipaddress
import json
import os
import re
import secrets
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from docker.errors import APIError, NotFound
from tests.integration.runs_house import RunsHouse, until

from faelleslab_hub import containers, folders, networks
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import municipality_names

pytestmark = pytest.mark.docker

# What the notebook leaves, and what it waits for, lies in its output: the only place the container may write.
_COUNTING = """\
# %% tags=["parameters"]
kode: str = "0101"
gated: bool = False
# %%
import os, pathlib, time
out = pathlib.Path(os.environ["FAELLESLAB_OUTPUT"])
with open(out / "counter", "a") as file:
    file.write(f"{kode}\\n")
# %%
while gated and not (out / "gate").exists():
    time.sleep(0.02)
"""
_MEMORY_MIB = 192


class DockerHouse(RunsHouse):
    """An installation in docker mode with two tenants nobody else on this machine uses, and one without an image."""

    def __init__(self, settings: Settings, client: Any) -> None:
        super().__init__(settings)
        self.client = client
        self.a, self.b, self.bare = self.tenants.by_code

    def counted(self, run_id: str) -> list[str]:
        path = self.output(run_id) / "files" / "counter"
        return path.read_text().splitlines() if path.exists() else []

    def left(self) -> list[dict[str, Any]]:
        return containers.ours(self.client, self.settings)

    def container(self, run_id: str) -> str:
        return f"fl-{containers.settings_hash(self.settings)}-run-{self.run(run_id).tenant}-{run_id}-1"

    def close(self) -> None:
        super().close()
        for found in self.left():
            with contextlib.suppress(APIError):  # the placer may have been killed in the middle of the same
                self.client.remove_container(found["Id"], force=True)
        until(lambda: not self.left())
        assert networks.remove(self.client, self.tenants) == []


def _configuration(client: Any, folder: Path, image: str) -> Path:
    """Write three tenants in a free range of addresses."""
    taken = {n["Name"] for n in client.networks()}
    free = [code for code in municipality_names() if f"fl-{code}" not in taken and code not in ("0751", "0461")]
    codes = sorted(secrets.SystemRandom().sample(free, 3))
    used = [
        ipaddress.ip_network(part["Subnet"])
        for network in client.networks()
        for part in network["IPAM"].get("Config") or []
        if ":" not in part["Subnet"]
    ]
    pools = [ipaddress.ip_network(f"10.{n}.0.0/16") for n in range(100, 220)]
    pool = next(p for p in pools if not any(p.overlaps(u) for u in used))
    folder.mkdir()
    common = {
        "network_pool": str(pool),
        "image": image,
        "limits": {"memory_mib": _MEMORY_MIB, "cpus": 1, "pids": 64, "run_timeout_s": 120},
    }
    (folder / "common.yaml").write_text(yaml.safe_dump(common))
    for code in codes:
        own = {"image": "faelleslab/no-such-image"} if code == codes[2] else {}
        (folder / f"{code}.yaml").write_text(yaml.safe_dump(own))
    return folder


@pytest.fixture(scope="module")
def house(
    tmp_path_factory: pytest.TempPathFactory, docker_client: Any, images: dict[str, str]
) -> Iterator[DockerHouse]:
    home = tmp_path_factory.mktemp("docker-runs")
    image = next(found for name, found in images.items() if name.rpartition("/")[2].startswith("analytics"))
    environment = {
        "FAELLESLAB_MODE": "docker",
        "FAELLESLAB_HOME": str(home / "home"),
        "FAELLESLAB_CONFIG": str(_configuration(docker_client, home / "config", image)),
    }
    for parent in (home, *home.parents):
        # The container's user must be able to pass, as in a real installation.
        if parent.stat().st_uid == os.getuid() and parent.is_relative_to(tmp_path_factory.getbasetemp().parent):
            parent.chmod(parent.stat().st_mode | 0o011)
    with mock.patch.dict(os.environ, environment):
        made = DockerHouse(Settings.from_environment(), docker_client)
    yield made
    made.close()


@pytest.fixture
def working(house: DockerHouse) -> DockerHouse:
    """The house with placer and inspector at work, whatever the test before did to them."""
    for process in house.processes:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
    house.processes.clear()
    house.start("inspector")
    return house


def _is_over(house: DockerHouse, run_id: str) -> None:
    assert house.events(run_id) == ["run.submitted", "run.inspected", "run.started", "run.ended"]
    until(lambda: not [c for c in house.left() if c["Labels"][containers.LABEL_SUBJECT] == run_id])


def test_a_run_by_the_command(working: DockerHouse, tmp_path: Path) -> None:
    working.start("placer")
    notebook = tmp_path / "Prøve 1.py"
    notebook.write_text('# %% tags=["parameters"]\nkode: str = "0101"\n# %%\nprint(kode, type(kode).__name__)\n')
    done = working.cli("run", working.a, str(notebook), "-p", "kode", "0751")
    assert done.returncode == 0, done.stderr + working.log()
    report = Path(done.stdout.strip())
    assert "0751 str" in report.read_text()
    run_id = report.parents[1].name
    row = working.run(run_id)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", row.image or "")
    assert json.loads(row.result or "")["hashes"]["image"] == row.image
    assert report.stat().st_uid == os.getuid()
    assert not report.stat().st_mode & 0o222
    _is_over(working, run_id)


_HOG = "rows = []\nwhile True:\n    rows.append(bytearray(b'x' * 4_000_000))"


@pytest.mark.parametrize(
    ("code", "reason", "exit_code"),
    [
        ("1 / 0", "CELL_FAILED", 10),
        ("import os\nos._exit(0)", "KERNEL_DIED", 11),
        ("import os\nos.kill(os.getpid(), 9)", "KERNEL_DIED", 11),
        ("import os, time\nos.kill(os.getppid(), 9)\ntime.sleep(60)", "KERNEL_DIED", 11),
        (_HOG, "OUT_OF_MEMORY", 12),
        (f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {_HOG!r}])", "OUT_OF_MEMORY", 12),
        ("while True: pass", "TIMED_OUT", 13),
    ],
)
def test_every_ending_is_told_apart(working: DockerHouse, code: str, reason: str, exit_code: int) -> None:
    working.start("placer")
    run_id = working.submit(
        f"# %%\n{code}\n# %%\nprint('videre')\n", tenant=working.a, timeout_s=20 if code == _HOG else 5
    )
    row = working.ended(run_id)
    assert (row.state, row.reason, row.exit_code) == ("FAILED", reason, exit_code), working.log()
    _is_over(working, run_id)


@pytest.mark.parametrize(
    "step",
    [
        *("after-place", "before-start/inspection", "after-start/inspection", "before-answered", "after-claim"),
        *("before-start/run", "after-start/run", "before-read", "before-finish", "after-finish", "before-remove/run"),
    ],
)
def test_a_placer_killed_at_any_step(working: DockerHouse, step: str) -> None:
    run_id = working.submit(_COUNTING, {"kode": "0751"}, tenant=working.a)
    assert working.start_to_die("placer", step).wait(60) == -signal.SIGKILL, working.log()
    working.start("placer")
    row = working.ended(run_id)
    assert (row.state, row.reason, row.attempt) == ("SUCCEEDED", None, 1), row.message
    assert working.counted(run_id) == ["0751"]
    _is_over(working, run_id)


def test_a_run_outlives_its_placer(working: DockerHouse) -> None:
    first = working.start("placer")
    run_id = working.submit(_COUNTING, {"gated": "ja"}, tenant=working.a)
    until(lambda: working.counted(run_id))
    working.kill(first)
    working.start("placer")
    (working.output(run_id) / "files" / "gate").touch()
    assert working.ended(run_id).state == "SUCCEEDED"
    assert len(working.counted(run_id)) == 1
    _is_over(working, run_id)


def test_a_container_removed_from_outside_is_lost(working: DockerHouse) -> None:
    working.start("placer")
    run_id = working.submit(_COUNTING, {"gated": "ja"}, tenant=working.a)
    until(lambda: working.counted(run_id))
    working.client.remove_container(working.container(run_id), force=True)
    row = working.ended(run_id)
    assert (row.state, row.reason) in (("FAILED", "LOST"), ("FAILED", "KERNEL_DIED"))
    assert len(working.counted(run_id)) == 1, "never silently run again"
    _is_over(working, run_id)


def test_a_container_removed_while_nobody_looked_is_lost(working: DockerHouse) -> None:
    first = working.start("placer")
    run_id = working.submit(_COUNTING, {"gated": "ja"}, tenant=working.a)
    until(lambda: working.counted(run_id))
    working.kill(first)
    working.client.remove_container(working.container(run_id), force=True)
    working.start("placer")
    assert working.ended(run_id).reason == "LOST"
    assert len(working.counted(run_id)) == 1


def test_a_container_killed_from_outside_is_no_success(working: DockerHouse) -> None:
    working.start("placer")
    run_id = working.submit(_COUNTING, {"gated": "ja"}, tenant=working.a)
    until(lambda: working.counted(run_id))
    working.client.kill(working.container(run_id), "SIGKILL")
    assert working.ended(run_id).reason == "KERNEL_DIED"
    _is_over(working, run_id)


def test_a_container_started_again_from_outside_executes_nothing(working: DockerHouse) -> None:
    run_id = working.submit(_COUNTING, tenant=working.a)
    assert working.start_to_die("placer", "before-read").wait(60) == -signal.SIGKILL
    working.client.start(working.container(run_id))
    working.client.wait(working.container(run_id))
    working.start("placer")
    assert working.ended(run_id).state == "FAILED"
    assert len(working.counted(run_id)) == 1


def test_a_run_reaches_no_other_tenant(working: DockerHouse) -> None:
    working.start("placer")
    tenant = working.tenants.get(working.b)
    folders.ensure_home(working.settings, tenant.code, "konto")
    image = working.client.inspect_image(tenant.image)["Id"]
    command = ("python", "-m", "http.server", "8000")
    spec = containers.for_server(tenant, "konto", working.settings, image=image, command=command)
    networks.ensure(working.client, working.tenants)
    server = containers.create(working.client, spec)
    working.client.start(server)
    try:
        address = next(iter(working.client.inspect_container(server)["NetworkSettings"]["Networks"].values()))[
            "IPAddress"
        ]
        # The control: it does answer to someone who may reach it.
        look = ["python", "-c", "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000').status)"]

        def answers() -> bool:
            execution = working.client.exec_create(server, look)["Id"]
            return b"200" in working.client.exec_start(execution)

        until(answers)
        code = f"""# %%
import socket
for target in (({address!r}, 8000), ("1.1.1.1", 443), ("{tenant.gateway}", 22)):
    try:
        socket.create_connection(target, timeout=2).close()
    except OSError:
        continue
    raise SystemError(f"reached {{target}}")
try:
    socket.getaddrinfo("example.com", 443)
except OSError:
    pass
else:
    raise SystemError("a name was looked up")
"""
        row = working.ended(working.submit(code, tenant=working.a))
        assert row.state == "SUCCEEDED", (working.output(row.id) / "result.json").read_text()
    finally:
        working.client.remove_container(server, force=True)


def test_a_hostile_notebook_is_refused(working: DockerHouse) -> None:
    working.start("placer")
    deep = b'{"nbformat": 4, "metadata": {}, "cells": ' + b"[" * 500_000
    for content in (deep, b"\0" * 1000, b"# %% tags=['parameters']\n"):
        run_id = working.submit(content, {"kode": "1"}, tenant=working.a)
        row = working.ended(run_id)
        assert (row.reason, row.exit_code, row.attempt) == ("REFUSED", 2, 0)
        assert "(FL-" in (row.message or "")
        assert working.events(run_id) == ["run.submitted", "run.inspected", "run.ended"]
    until(lambda: not working.left())


def test_a_missing_image_is_told_with_its_remedy(working: DockerHouse) -> None:
    working.start("placer")
    row = working.ended(working.submit(_COUNTING, tenant=working.bare))
    assert row.reason == "INTERNAL_ERROR"
    assert "make images" in (row.message or "")


def test_leftovers_are_removed_and_other_installations_left_alone(working: DockerHouse, tmp_path: Path) -> None:
    tenant = working.tenants.get(working.a)
    image = working.client.inspect_image(tenant.image)["Id"]
    networks.ensure(working.client, working.tenants)
    made = []
    for settings in (working.settings, replace(working.settings, home=tmp_path)):
        folders.ensure_run(settings, tenant.code, "old")
        spec = containers.for_run(tenant, "old", settings, image=image, command=("true",))
        made.append(containers.create(working.client, replace(spec, name=f"{spec.name}-1")))
    try:
        working.start("placer")
        until(lambda: not working.left())
        assert working.client.inspect_container(made[1])["Id"] == made[1]
    finally:
        for container in made:
            try:
                working.client.remove_container(container, force=True)
            except NotFound:
                continue
