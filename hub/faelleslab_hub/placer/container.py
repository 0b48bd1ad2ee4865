"""Tasks as containers: the same walls as a user's server, found again by name after any death of the placer."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException

from faelleslab.errors import ConfigurationError
from faelleslab_hub import containers, folders, images
from faelleslab_hub.placer.runner import FENCED, MAX_ANSWER_BYTES, PROGRESS, RunnerUnavailable, Status, Task
from faelleslab_hub.runs.upload import GIVEN, PARAMETERS
from faelleslab_hub.runs.verdict import Ended
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import Tenant

_PYTHON = "/opt/faelleslab/env/bin/python"
# Inspection and run of one upload ask in quick succession; a new image is taken into use this much later.
_IMAGE_KEPT_S = 5.0
_CONTROL = "/srv/run/control"
_KIT = "/opt/faelleslab/env/bin/faelleslab"
# The engine starts a stopped container again when asked; the link in the run's own folder makes that do nothing.
_FENCE = f"""
: > "$1.$$" || exit {FENCED}
ln "$1.$$" "$1" 2> /dev/null || exit {FENCED}
rm -f "$1.$$"
shift
exec "$@"
"""


class DockerRunner:
    """Runs tasks as containers through a `docker.APIClient`."""

    def __init__(self, settings: Settings, client: Any) -> None:
        self._settings = settings
        self._client = client
        # A third of each call's cost would be looking through the environment for a web proxy.
        self._client.trust_env = False
        self._images: dict[str, tuple[float, str]] = {}
        self._names: dict[str, str] = {}
        # First process of each running container, as last seen.
        self._pids: dict[str, int] = {}

    def image(self, tenant: Tenant) -> str:
        """Give the digest of the tenant's image; raises `ConfigurationError` when it is not here."""
        asked_at, found = self._images.get(tenant.image, (0.0, ""))
        if time.monotonic() - asked_at > _IMAGE_KEPT_S or not found:
            with _engine():
                found = images.resolve(self._client, tenant)
            self._images[tenant.image] = time.monotonic(), found
        return found

    def start(self, task: Task) -> None:
        """Create the container if it is not there, and start it if it never ran."""
        with _engine():
            if task.kind == "run":
                folders.ensure_control(self._settings, task.tenant.code, task.run_id)
            try:
                containers.create(self._client, self._spec(task))
            except APIError as error:
                if error.status_code != 409:  # the name is taken: an earlier try got this far
                    raise
            self._client.start(self._name(task))

    def look(self, task: Task) -> Status:
        """Say how the container stands."""
        state = self._state(task)
        if state is None:
            return Ended(lost=True) if _claim(task).exists() else "absent"
        if state["Status"] == "created":
            return "absent"
        if state["Status"] not in ("exited", "dead"):
            self._pids[task.name] = int(state["Pid"])
            return "running"
        code = int(state["ExitCode"])
        return Ended(exit_code=code, out_of_memory=bool(state["OOMKilled"]), lost=code == FENCED, alone=True)

    def watch(self, task: Task) -> int | None:
        """Give a descriptor of the container's first process: its end needs no polling."""
        pid = self._pids.pop(task.name, 0)
        if not pid:
            return None
        try:
            return os.pidfd_open(pid)
        except OSError:
            return None

    def stop(self, task: Task, *, force: bool) -> None:
        """Signal the container."""
        with _engine():
            try:
                self._client.kill(self._name(task), "SIGKILL" if force else "SIGTERM")
            except APIError as error:
                if error.status_code not in (404, 409):  # gone, or not running any more
                    raise

    def settle(self, task: Task) -> None:
        """Do nothing: no process outlives its container."""

    def answer(self, task: Task) -> tuple[str, bool]:
        """Read the inspection's standard output, never more than the cap."""
        content = b""
        with _engine():
            for part in self._client.logs(self._name(task), stdout=True, stderr=False, stream=True):
                content += part
                if len(content) > MAX_ANSWER_BYTES:
                    return "", True
        return content.decode("utf-8", "replace"), False

    def remove(self, task: Task) -> None:
        """Remove the container."""
        with _engine():
            self._remove(self._name(task))
        self._names.pop(task.name, None)

    def sweep(self, keep: set[str]) -> list[str]:
        """Remove containers of runs and inspections that no row asks for any more."""
        removed = []
        with _engine():
            for kind in ("run", "inspection"):
                for found in containers.ours(self._client, self._settings, kind):
                    name = str(found["Names"][0]).lstrip("/")
                    subject, attempt = found["Labels"][containers.LABEL_SUBJECT], name.rpartition("-")[2]
                    if f"{kind}-{subject}-{attempt}" not in keep:
                        self._remove(str(found["Id"]))
                        removed.append(name)
        return removed

    def _remove(self, name: str) -> None:
        try:
            self._client.remove_container(name, force=True, v=True)
        except APIError as error:
            if error.status_code not in (404, 409):  # gone, or another removal is under way
                raise

    def _state(self, task: Task) -> dict[str, Any] | None:
        with _engine():
            try:
                found = self._client.inspect_container(self._name(task))
            except NotFound:
                return None
        return dict(found["State"])

    def _name(self, task: Task) -> str:
        if task.name not in self._names:
            self._names[task.name] = self._spec(task).name
        return self._names[task.name]

    def _spec(self, task: Task) -> containers.ContainerSpec:
        build = containers.for_inspection if task.kind == "inspection" else containers.for_run
        extra = {"FAELLESLAB_PROGRESS": f"{_CONTROL}/{PROGRESS}"} if task.kind == "run" else {}
        spec = build(
            task.tenant, task.run_id, self._settings, image=task.image, command=_command(task), environment=extra
        )
        if task.kind == "run":
            mounts = (*spec.mounts, containers.Mount(str(task.control), _CONTROL, read_only=False))
        else:
            # An inspection answers on its standard output, which the engine bounds; it may write nowhere at all.
            mounts = tuple(mount for mount in spec.mounts if mount.read_only)
        return replace(spec, name=f"{spec.name}-{task.attempt}", mounts=mounts)


def _claim(task: Task) -> Path:
    return task.control / f"{task.name}.claim"


def _command(task: Task) -> tuple[str, ...]:
    notebook = f"{containers.RUN_INPUT}/{task.notebook}"
    if task.kind == "inspection":
        return (_PYTHON, "-m", "faelleslab.jobs.inspection", notebook, f"{containers.RUN_INPUT}/{GIVEN}")
    return (
        *("/bin/sh", "-c", _FENCE, "faelleslab-run", f"{_CONTROL}/{_claim(task).name}"),
        *(_KIT, "run", notebook, "--parameters", f"{containers.RUN_INPUT}/{PARAMETERS}"),
        *("--output", containers.RUN_OUTPUT, "--timeout", str(task.timeout_s)),
    )


@contextmanager
def _engine() -> Iterator[None]:
    """Turn an engine that does not answer into `RunnerUnavailable`; our own `ConfigurationError` passes."""
    try:
        yield
    except ConfigurationError:
        raise
    except (DockerException, RequestException, OSError) as error:
        raise RunnerUnavailable(str(error)) from error
