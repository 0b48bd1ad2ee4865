"""What a container of ours looks like: one builder for users' servers, runs and inspections.

The promise: whatever text arrives, a container belongs to exactly one tenant. Its mounts lie in that tenant's
folders, its network is that tenant's, and its labels say so. The walls are the same for all kinds: read-only root, no
capability, no new privileges, bounded processes, memory and log, and a name server that never answers.
"""

import hashlib
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from faelleslab.errors import ConfigurationError
from faelleslab_hub import folders
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import Tenant

Kind = Literal["server", "run", "inspection"]

LABEL_KIND = "dk.faelleslab.kind"
LABEL_TENANT = "dk.faelleslab.tenant"
LABEL_SUBJECT = "dk.faelleslab.subject"
LABEL_INSTALLATION = "dk.faelleslab.installation"

HOME = "/home/analytiker"
RUN_INPUT = "/srv/run/input"
RUN_OUTPUT = "/srv/run/output"

# 192.0.2.0/24 is reserved for documentation and never routed. Docker's embedded resolver cannot be turned off, so it
# is pointed where nobody answers; the options bound a look-up to 2 s instead of 20.
DEAD_DNS = "192.0.2.1"
_DNS_OPTIONS = ("timeout:1", "attempts:1")
_OPEN_FILES = 8192
_CPU_PERIOD_US = 100_000
_TMP_BYTES = 256 * 2**20
_INSPECTION_BYTES = 512 * 2**20
_INSPECTION_PIDS = 64

# Nothing that could climb out of a folder, split a label or fake another name: no dot, slash, colon, space or case.
# `[0-9]` and not `\d`: the latter also matches digits of other scripts.
_SAFE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# No hyphen in a tenant: "a" with run "b-c" and "a-b" with run "c" would share a container name.
_TENANT = re.compile(r"[a-z0-9]{1,12}")


@dataclass(frozen=True)
class Mount:
    """One folder of the host in the container."""

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True)
class ContainerSpec:
    """Everything about a container that decides what it can reach; frozen, so a hook cannot widen it later.

    ``network`` is None for no network at all. ``tmpfs`` maps a target to mount options.
    """

    name: str
    image: str
    command: tuple[str, ...]
    environment: dict[str, str]
    network: str | None
    user: str
    memory_bytes: int
    cpus: float
    pids: int
    mounts: tuple[Mount, ...]
    labels: dict[str, str]
    tmpfs: dict[str, str] = field(default_factory=dict)

    def create_arguments(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give the keywords of ``create_container`` and ``create_host_config`` of the Docker SDK.

        They fit both the low-level `docker.APIClient` and DockerSpawner's ``extra_create_kwargs`` and
        ``extra_host_config``. The image is left out when empty (DockerSpawner has its own field for it).
        """
        create: dict[str, Any] = {
            "name": self.name or None,
            "command": list(self.command) or None,
            "environment": dict(self.environment),
            "user": self.user,
            "labels": dict(self.labels),
            "hostname": "arbejdsbord",
            "working_dir": HOME,
        }
        if self.image:
            create["image"] = self.image
        if self.labels.get(LABEL_KIND) != "server":
            create["healthcheck"] = {"Test": ["NONE"]}  # a run is judged by its result file, not by a listening port
        host: dict[str, Any] = {
            "network_mode": self.network or "none",
            "dns": [DEAD_DNS],
            "dns_opt": list(_DNS_OPTIONS),
            "dns_search": ["."],  # otherwise the search list of the host's own domain leaks in
            "read_only": True,
            "init": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "ipc_mode": "private",
            "mem_limit": self.memory_bytes,
            "memswap_limit": self.memory_bytes,
            # Not `nano_cpus`: DockerSpawner sets a period of its own, and Docker refuses both together.
            "cpu_period": _CPU_PERIOD_US,
            "cpu_quota": round(self.cpus * _CPU_PERIOD_US),
            "pids_limit": self.pids,
            "oom_score_adj": 500,  # when the machine itself runs dry, a user's container goes before the hub
            "ulimits": [
                {"Name": "nofile", "Soft": _OPEN_FILES, "Hard": _OPEN_FILES},
                {"Name": "core", "Soft": 0, "Hard": 0},  # a core file would hold the rows the process had in memory
            ],
            "tmpfs": dict(self.tmpfs),
            "mounts": [
                # `mounts`, not `binds`: a missing source is an error instead of a new folder owned by root.
                {"Type": "bind", "Source": m.source, "Target": m.target, "ReadOnly": m.read_only}
                for m in self.mounts
            ],
            "log_config": {"Type": "json-file", "Config": {"max-size": "5m", "max-file": "2"}},
        }
        return create, host


def for_server(
    tenant: Tenant,
    account: str,
    settings: Settings,
    *,
    image: str = "",
    command: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
) -> ContainerSpec:
    """Describe an account's server: its home is the only thing mounted.

    Raises
    ------
    ConfigurationError
        FL-K120 when tenant code or account name is not a safe name.
    """
    _need_safe(tenant.code, account)
    home = settings.account_home(tenant.code, account)
    return _build(
        "server",
        tenant,
        settings,
        subject=_opaque(settings, tenant.code, account),
        image=image,
        command=command,
        environment=environment or {},
        mounts=(Mount(str(home), HOME, read_only=False),),
    )


def for_run(
    tenant: Tenant,
    run_id: str,
    settings: Settings,
    *,
    image: str,
    command: tuple[str, ...],
    environment: dict[str, str] | None = None,
) -> ContainerSpec:
    """Describe a production run: the same walls as the user's server, its input read-only, a home that is thrown away.

    Raises
    ------
    ConfigurationError
        FL-K120 when tenant code or run id is not a safe name.
    """
    return _batch("run", tenant, run_id, settings, image=image, command=command, environment=environment or {})


def for_inspection(
    tenant: Tenant,
    run_id: str,
    settings: Settings,
    *,
    image: str,
    command: tuple[str, ...],
    environment: dict[str, str] | None = None,
) -> ContainerSpec:
    """Describe the throw-away container that parses an upload: no network, little memory, few processes.

    Raises
    ------
    ConfigurationError
        FL-K120 when tenant code or run id is not a safe name.
    """
    return _batch("inspection", tenant, run_id, settings, image=image, command=command, environment=environment or {})


def create(client: Any, spec: ContainerSpec) -> str:
    """Create (not start) the container with a `docker.APIClient`; gives its id."""
    create_kwargs, host_kwargs = spec.create_arguments()
    created = client.create_container(host_config=client.create_host_config(**host_kwargs), **create_kwargs)
    return str(created["Id"])


def ours(client: Any, settings: Settings, kind: Kind | None = None) -> list[dict[str, Any]]:
    """List this installation's containers, running or not, of one kind or all."""
    labels = [f"{LABEL_INSTALLATION}={settings_hash(settings)}"]
    if kind:
        labels.append(f"{LABEL_KIND}={kind}")
    return list(client.containers(all=True, filters={"label": labels}))


def settings_hash(settings: Settings) -> str:
    """Give the short name of an installation, so that two on one machine never touch each other's containers."""
    return hashlib.sha256(str(settings.home).encode()).hexdigest()[:8]


def _batch(
    kind: Literal["run", "inspection"],
    tenant: Tenant,
    run_id: str,
    settings: Settings,
    *,
    image: str,
    command: tuple[str, ...],
    environment: dict[str, str],
) -> ContainerSpec:
    _need_safe(tenant.code, run_id)
    folder = settings.run_folder(tenant.code, run_id)
    return _build(
        kind,
        tenant,
        settings,
        subject=run_id,
        image=image,
        command=command,
        environment=environment,
        mounts=(
            Mount(str(folder / "input"), RUN_INPUT, read_only=True),
            Mount(str(folder / "output"), RUN_OUTPUT, read_only=False),
        ),
    )


def _build(
    kind: Kind,
    tenant: Tenant,
    settings: Settings,
    *,
    subject: str,
    image: str,
    command: tuple[str, ...],
    environment: dict[str, str],
    mounts: tuple[Mount, ...],
) -> ContainerSpec:
    for mount in mounts:
        _need_inside(Path(mount.source), settings.home, tenant.code)
    uid, gid = folders.container_owner()
    installation = settings_hash(settings)
    inspection = kind == "inspection"
    threads = str(max(1, math.floor(tenant.cpus)))
    tmpfs = {"/tmp": f"rw,nosuid,nodev,noexec,mode=1777,size={_TMP_BYTES}"}  # noqa: S108 - inside the container
    if kind != "server":
        tmpfs[HOME] = f"rw,nosuid,nodev,noexec,mode=0700,uid={uid},gid={gid},size={_TMP_BYTES}"
    return ContainerSpec(
        name=f"fl-{installation}-{kind}-{tenant.code}-{subject}",
        image=image,
        command=command,
        environment={
            "HOME": HOME,
            "FAELLESLAB_TENANT": tenant.code,
            "FAELLESLAB_IMAGE": image,
            # Connection files hold the kernels' keys: in memory, not in the home that is backed up.
            "JUPYTER_RUNTIME_DIR": "/tmp/jupyter",  # noqa: S108
            # Numerical libraries count the machine's cores, not the container's.
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            **environment,
        },
        network=None if inspection else tenant.network,
        user=f"{uid}:{gid}",
        memory_bytes=min(tenant.memory_bytes, _INSPECTION_BYTES) if inspection else tenant.memory_bytes,
        cpus=min(tenant.cpus, 1.0) if inspection else tenant.cpus,
        pids=min(tenant.pids, _INSPECTION_PIDS) if inspection else tenant.pids,
        mounts=mounts,
        labels={
            LABEL_KIND: kind,
            LABEL_TENANT: tenant.code,
            LABEL_SUBJECT: subject,
            LABEL_INSTALLATION: installation,
        },
        tmpfs=tmpfs,
    )


def _opaque(settings: Settings, tenant: str, account: str) -> str:
    text = "\0".join((str(settings.home), tenant, account))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _need_safe(tenant: str, name: str) -> None:
    if not (_TENANT.fullmatch(tenant) and _SAFE.fullmatch(name)):
        raise ConfigurationError(
            "FL-K120",
            "Et navn kan ikke bruges til en container.",
            rule="navne på konti og kørsler består af a-z, 0-9 og bindestreg, højst 63 tegn.",
            remedy="ret navnet.",
        )


def _need_inside(path: Path, home: Path, tenant: str) -> None:
    """Refuse a folder that a symbolic link has moved out of the tenant's own part of the state folder."""
    allowed = [home.resolve() / part / tenant for part in ("homes", "runs")]
    real = path.resolve()
    if not any(real.is_relative_to(folder) and real != folder for folder in allowed):
        raise ConfigurationError(
            "FL-K121",
            f"En mappe ligger uden for tenantens egne mapper: {path}.",
            rule=f"en container for {tenant} ser kun mapper under homes/{tenant} og runs/{tenant}.",
            remedy="fjern det symbolske link.",
        )
