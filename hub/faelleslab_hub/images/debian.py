"""The foundation of every image: Debian 13, pulled where a registry answers, else made here by debootstrap."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docker.errors import APIError, ImageNotFound

from faelleslab.errors import ConfigurationError
from faelleslab_hub.settings import CHECKOUT

NAME = "debian:trixie-slim"
_REPOSITORY, _TAG = NAME.split(":")
# What debian's own "slim" leaves out as well. Copyright files stay: the licences ask for it.
_LEFT_OUT = (
    "./var/cache/apt/archives/*.deb",
    "./var/lib/apt/lists/*",
    "./usr/share/man/*",
    "./usr/share/locale/*",
    "./usr/share/info/*",
)


def ensure(client: Any, report: Callable[[str], None]) -> str:
    """Give the id of the foundation; fetches or makes it the first time.

    Raises
    ------
    ConfigurationError
        FL-K108 when it can neither be pulled nor made here.
    """
    try:
        return str(client.inspect_image(NAME)["Id"])
    except ImageNotFound:
        pass
    report(f"Henter {NAME}")
    try:
        client.pull(_REPOSITORY, tag=_TAG)
    except APIError:
        # No registry within reach (or it hides behind a login): the same name is made here.
        _bootstrap(client, report)
    return str(client.inspect_image(NAME)["Id"])


def _bootstrap(client: Any, report: Callable[[str], None]) -> None:
    rights = _rights()
    if shutil.which("debootstrap", path="/usr/sbin:/sbin:" + os.environ.get("PATH", "")) is None or rights is None:
        raise ConfigurationError(
            "FL-K108",
            f"{NAME} kan ikke hentes, og den kan ikke laves her.",
            rule="uden adgang til et register laves den af debootstrap, som kræver root.",
            remedy="kør 'sudo apt-get install debootstrap' og 'sudo make images', eller hent den: 'docker pull "
            f"{NAME}'.",
        )
    report("Intet register svarer: laver Debian 13 her (ca. 2 minutter)")
    # Below build/, not /tmp: that is often mounted without devices, which debootstrap needs.
    parent = CHECKOUT / "build"
    parent.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="debian-", dir=parent))
    try:
        mirror = [os.environ["FAELLESLAB_DEBIAN_MIRROR"]] if os.environ.get("FAELLESLAB_DEBIAN_MIRROR") else []
        log = parent / "debootstrap.log"
        command = [*rights, "debootstrap", "--variant=minbase", "trixie", str(folder), *mirror]
        environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
        with log.open("w", encoding="utf-8") as out:
            done = subprocess.run(command, env=environment, stdout=out, stderr=out, check=False)
        if done.returncode:
            raise ConfigurationError("FL-K108", f"{NAME} kunne ikke laves her.", remedy=f"se {log}.")
        _import(client, folder, rights)
    finally:
        subprocess.run([*rights, "rm", "-rf", "--one-file-system", str(folder)], check=False)


def _import(client: Any, folder: Path, rights: list[str]) -> None:
    command = [*rights, "tar", "-C", str(folder), *(f"--exclude={path}" for path in _LEFT_OUT), "-c", "."]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as tar:
        assert tar.stdout is not None  # noqa: S101 - for the type checker: stdout is a pipe
        client.import_image_from_stream(tar.stdout, repository=_REPOSITORY, tag=_TAG, changes=['CMD ["bash"]'])
    if tar.returncode:
        client.remove_image(NAME, force=True)
        raise ConfigurationError("FL-K108", f"{NAME} kunne ikke pakkes.", remedy="er disken fuld? Prøv igen.")


def _rights() -> list[str] | None:
    """Give the words in front of a command that needs root; None when root is out of reach."""
    if os.geteuid() == 0:
        return []
    asked = ["sudo", "-n", "true"]
    if shutil.which("sudo") and subprocess.run(asked, capture_output=True, check=False).returncode == 0:
        return ["sudo", "-n"]
    return None
