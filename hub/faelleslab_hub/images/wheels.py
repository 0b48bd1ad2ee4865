"""The Python packages of an image: downloaded on the host, installed inside without network.

So online and offline builds are one path: an offline bundle is this folder, filled beforehand. The host's own settings
(PIP_INDEX_URL, PIP_CERT, proxies, pip.conf) are pip's business and reach the network here only.
"""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from faelleslab.errors import ConfigurationError
from faelleslab_hub.settings import CHECKOUT

PYTHON = "3.13"  # Debian 13
_GLIBC = 41  # Debian 13's glibc is 2.41
_ABI = "cp313"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)")


def needed(*constraints: Path) -> dict[str, str]:
    """Read the pins (name → version) of constraint files; names in the form wheels use."""
    pins = {}
    for path in constraints:
        for line in path.read_text(encoding="utf-8").splitlines():
            if found := _PIN.match(line):
                pins[_canonical(found[1])] = found[2]
    return pins


def present(folder: Path, pins: dict[str, str]) -> dict[str, Path]:
    """Find the wheel of each pin that lies in the folder already."""
    by_pin = {}
    for wheel in folder.glob("*.whl"):
        name, version = wheel.name.split("-")[:2]
        if pins.get(_canonical(name)) == version:
            by_pin[_canonical(name)] = wheel
    return by_pin


def download(folder: Path, constraints: list[Path], report: Callable[[str], None]) -> list[Path]:
    """Fill the folder with the wheels of every pin; gives exactly those, whatever else lies there.

    Raises
    ------
    ConfigurationError
        FL-K105 without pip, FL-K106 when a package cannot be downloaded (the log's path is in the text).
    """
    folder.mkdir(parents=True, exist_ok=True)
    pins = needed(*constraints)
    if missing := sorted(pins.keys() - present(folder, pins).keys()):
        report(f"Henter {len(missing)} Python-pakker")
        wanted = folder.with_name("wheels-wanted.txt")
        wanted.write_text("".join(f"{name}=={pins[name]}\n" for name in missing), encoding="utf-8")
        fetch(folder, "--no-deps", f"--requirement={wanted}")
    found = present(folder, pins)
    if missing := sorted(pins.keys() - found.keys()):
        raise ConfigurationError("FL-K106", f"Pakkerne {', '.join(missing)} blev ikke hentet.", remedy="prøv igen.")
    return sorted(found.values())


def fetch(folder: Path, *what: str) -> None:
    """Download wheels that fit the image's Python; ``what`` are pip's words for what to take.

    Raises
    ------
    ConfigurationError
        FL-K105 without pip, FL-K106 when a package cannot be downloaded.
    """
    _pip(
        "download",
        "--only-binary=:all:",
        "--implementation=cp",
        f"--python-version={PYTHON}",
        f"--abi={_ABI}",
        "--abi=abi3",
        "--abi=none",
        *(f"--platform={tag}" for tag in _platforms()),
        f"--dest={folder}",
        *what,
    )


def build_kit(folder: Path) -> Path:
    """Build the kit's wheel from this checkout; raises `ConfigurationError` (FL-K107) when it cannot be built."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # The same sources must give the same wheel, so no time of today goes into it.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        log = _write_log("kit", done.stdout + done.stderr)
        raise ConfigurationError("FL-K107", "Kittets hjul kunne ikke bygges.", remedy=f"se {log}.")
    return wheels[0]


def _platforms() -> list[str]:
    machine = platform.machine()
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(_GLIBC, 4, -1)]
    return [*tags, f"manylinux2014_{machine}", f"manylinux2010_{machine}", f"manylinux1_{machine}", f"linux_{machine}"]


def _pip(*arguments: str) -> None:
    command = [*_find_pip(), "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        # pip's text may hold the address of an index with a password in it: to the log, never to the screen.
        log = _write_log("pip", done.stdout + done.stderr)
        raise ConfigurationError(
            "FL-K106",
            "Python-pakkerne til imaget kunne ikke hentes.",
            remedy=f"se {log}; bag en proxy sættes PIP_INDEX_URL og PIP_CERT.",
        )


def _find_pip() -> list[str]:
    """Find a pip: of this environment, of the machine, or one that uv puts into build/tools."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    tools = _tools()
    if not (tools / "pip").is_dir():
        system = shutil.which("python3", path="/usr/local/bin:/usr/bin:" + os.environ.get("PATH", ""))
        if (
            system
            and subprocess.run([system, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
        ):
            return [system, "-m", "pip"]
        if importlib.util.find_spec("uv"):
            install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", f"--target={tools}", "pip"]
            subprocess.run(install, capture_output=True, check=False)
    if (tools / "pip").is_dir():
        return [sys.executable, str(tools / "pip")]
    raise ConfigurationError("FL-K105", "pip mangler.", remedy="kør 'sudo apt-get install python3-pip'.")


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def _tools() -> Path:
    return CHECKOUT / "build" / "tools"


def _write_log(name: str, text: str) -> Path:
    log = CHECKOUT / "build" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text(text, encoding="utf-8")
    log.chmod(0o600)
    return log


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
