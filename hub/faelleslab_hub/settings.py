"""Where this installation lives and how it listens: read once from the environment, never changed afterwards.

Two modes share all code: ``embedded`` (`make demo`: local processes, no isolation, loopback only) and ``docker``
(`make up` and production: one container per server and run, one internal network per municipality).
"""

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, cast

from faelleslab.errors import ConfigurationError

CHECKOUT = Path(__file__).resolve().parents[2]
Mode = Literal["embedded", "docker"]


@dataclass(frozen=True)
class Settings:
    """The settings of one installation.

    Every process gets the same settings through ``FAELLESLAB_*`` variables (`environment` gives them back), so that
    the supervisor of the demo and the units of systemd start the very same commands.
    """

    mode: Mode
    home: Path
    bind: str
    port: int
    config: Path
    database_url: str
    tls_certificate: Path | None
    tls_key: Path | None
    public_url: str
    shared_by_group: bool = False

    @classmethod
    def from_environment(cls) -> Self:
        """Read the settings; raises `ConfigurationError` with the variable's name when one is wrong."""
        env = os.environ
        mode = env.get("FAELLESLAB_MODE", "embedded")
        if mode not in ("embedded", "docker"):
            raise ConfigurationError(
                "FL-K001",
                f"FAELLESLAB_MODE er '{mode}'.",
                rule="den er 'embedded' eller 'docker'.",
                remedy="ret variablen.",
            )
        default_home = CHECKOUT / (".demo" if mode == "embedded" else ".up")
        home = Path(env.get("FAELLESLAB_HOME") or default_home).expanduser().resolve()
        port = _port(env.get("FAELLESLAB_PORT") or "8000")
        bind = env.get("FAELLESLAB_BIND") or "127.0.0.1"
        if mode == "embedded" and not _is_loopback(bind):
            raise ConfigurationError(
                "FL-K003",
                f"Demoen må ikke lytte på '{bind}'.",
                rule="demoen har ingen isolation og lytter derfor kun på 127.0.0.1.",
                remedy="fjern FAELLESLAB_BIND, eller brug 'make up'.",
            )
        certificate, key = env.get("FAELLESLAB_TLS_CERT"), env.get("FAELLESLAB_TLS_KEY")
        if mode == "docker" and not _is_loopback(bind) and not (certificate and key):
            raise ConfigurationError(
                "FL-K004",
                f"'{bind}' kræver TLS.",
                rule="uden for 127.0.0.1 taler arbejdsbordet kun https.",
                remedy="sæt FAELLESLAB_TLS_CERT og FAELLESLAB_TLS_KEY.",
            )
        scheme = "https" if certificate else "http"
        return cls(
            mode=cast("Mode", mode),
            home=home,
            bind=bind,
            port=port,
            config=Path(env.get("FAELLESLAB_CONFIG") or CHECKOUT / "hub" / "municipalities").resolve(),
            database_url=env.get("FAELLESLAB_DATABASE_URL") or f"sqlite:///{home / 'faelleslab.sqlite'}",
            tls_certificate=Path(certificate) if certificate else None,
            tls_key=Path(key) if key else None,
            public_url=env.get("FAELLESLAB_PUBLIC_URL") or f"{scheme}://{bind}:{port}",
            shared_by_group=env.get("FAELLESLAB_SHARED_BY") == "group",
        )

    def environment(self) -> dict[str, str]:
        """Give the variables that make a child process read these same settings. No secret is among them."""
        variables = {
            "FAELLESLAB_MODE": self.mode,
            "FAELLESLAB_HOME": str(self.home),
            "FAELLESLAB_BIND": self.bind,
            "FAELLESLAB_PORT": str(self.port),
            "FAELLESLAB_CONFIG": str(self.config),
            "FAELLESLAB_DATABASE_URL": self.database_url,
            "FAELLESLAB_PUBLIC_URL": self.public_url,
        }
        if self.tls_certificate and self.tls_key:
            variables["FAELLESLAB_TLS_CERT"] = str(self.tls_certificate)
            variables["FAELLESLAB_TLS_KEY"] = str(self.tls_key)
        if self.shared_by_group:
            variables["FAELLESLAB_SHARED_BY"] = "group"
        return variables

    # The ports behind the public one are fixed offsets: a restarted hub must be found where running servers left it.
    @property
    def hub_port(self) -> int:
        """Port of the hub's API, on 127.0.0.1 and (docker) on each tenant's gateway."""
        return self.port + 1

    @property
    def proxy_api_port(self) -> int:
        """Port of the proxy's API, 127.0.0.1 only."""
        return self.port + 2

    @property
    def web_port(self) -> int:
        """Port of the web service, 127.0.0.1 only (reached through the proxy)."""
        return self.port + 3

    @property
    def broker_port(self) -> int:
        """Port of the data broker, 127.0.0.1 and (docker) each tenant's gateway."""
        return self.port + 4

    @property
    def ports(self) -> dict[str, int]:
        """All ports by process name, the public one first."""
        return {
            "proxy": self.port,
            "hub": self.hub_port,
            "proxy-api": self.proxy_api_port,
            "web": self.web_port,
            "broker": self.broker_port,
        }

    # Under systemd each process has a user of its own, and what they share belongs to their group. Elsewhere one user
    # runs them all, and nobody else may look.
    @property
    def shared_file_mode(self) -> int:
        """Mode of a file that several processes use: the database, a lock, the log of faults."""
        return 0o660 if self.shared_by_group else 0o600

    @property
    def shared_folder_mode(self) -> int:
        """Mode of a folder that several processes use."""
        return 0o770 if self.shared_by_group else 0o700

    # One folder per kind of state; docs/architecture.md says who may read which.
    @property
    def secrets(self) -> Path:
        """Folder of secret files, one sub-folder per process that may read them."""
        return self.home / "secrets"

    @property
    def checkpoints(self) -> Path:
        """Folder of the signed audit checkpoints, outside the database."""
        return self.home / "checkpoints"

    @property
    def logs(self) -> Path:
        """Folder of one log per process."""
        return self.home / "logs"

    @property
    def hub_state(self) -> Path:
        """Folder of JupyterHub's own state (its database and pid file)."""
        return self.home / "hub"

    def account_home(self, tenant: str, account: str) -> Path:
        """Folder an account sees as its home in its server."""
        return self.home / "homes" / tenant / account

    def run_folder(self, tenant: str, run_id: str) -> Path:
        """Folder of one run: ``input/`` (read-only in the container) and ``output/``."""
        return self.home / "runs" / tenant / run_id


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 1024 <= int(text) <= 65530:
        return int(text)
    raise ConfigurationError(
        "FL-K002",
        f"Porten '{text}' kan ikke bruges.",
        rule="en port er et helt tal fra 1024 til 65530 (de fire næste bruges også).",
        remedy="vælg en anden, fx PORT=8000.",
    )


def _is_loopback(address: str) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
