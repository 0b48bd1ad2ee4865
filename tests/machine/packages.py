"""Debian and Ubuntu packages of the real parts: Docker engine, Chromium, PostgreSQL and what they need."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

BUILD = Path(__file__).resolve().parents[2] / "build"
_SYSTEM_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

# The part, the program that shows it is there, the packages that bring it.
PARTS = {
    "docker": ("dockerd", ("docker.io", "iptables")),
    "debootstrap": ("debootstrap", ("debootstrap",)),
    "chromium": ("chromium", ("chromium", "fonts-dejavu-core")),
    "postgres": ("postgres", ("postgresql",)),
}


def program(name: str) -> str | None:
    """Find a program, the administrator's folders included."""
    return shutil.which(name, path=_SYSTEM_PATH)


def chromium() -> str | None:
    """Find a Chromium that starts; Ubuntu's package may be a stub that only names a snap."""
    for name in ("chromium", "chromium-browser"):
        path = program(name)
        if path and subprocess.run([path, "--version"], capture_output=True, check=False, timeout=60).returncode == 0:
            return path
    return None


def postgres() -> str | None:
    """Find PostgreSQL's server where Debian puts it: beside the versions, not on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return str(found[-1]) if found else None


def missing() -> list[str]:
    """List the parts that are not installed."""
    own_ways = {"chromium": chromium, "postgres": postgres}
    return [part for part, (name, _) in PARTS.items() if not own_ways.get(part, lambda name=name: program(name))()]


def rights() -> list[str] | None:
    """Give the words that make a command run as root; None when that is not allowed."""
    if os.geteuid() == 0:
        return []
    if program("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0:
        return ["sudo", "-n"]
    return None


def install(report: Callable[[str], None]) -> str | None:
    """Install what is missing; gives the reason in Danish when something could not be."""
    wanted = missing()
    if not wanted:
        return None
    distribution = _distribution()
    root = rights()
    names = ", ".join(wanted)
    if distribution not in ("debian", "ubuntu"):
        return f"{names} mangler, og kun Debian og Ubuntu kan udstyres herfra"
    if root is None:
        return f"{names} mangler, og der er hverken root eller sudo uden adgangskode"
    packages = [package for part in wanted for package in PARTS[part][1]]
    if distribution == "ubuntu":
        packages = ["chromium-browser" if package == "chromium" else package for package in packages]
        packages.append("debian-archive-keyring")  # debootstrap checks Debian's signature with it
    report(f"Installerer {' '.join(packages)}")
    if not _apt(root, packages):
        return f"{names} mangler, og apt-get kunne ikke installere (se {BUILD / 'apt.log'})"
    still = missing()
    return f"{', '.join(still)} mangler også efter installationen" if still else None


def _distribution() -> str:
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line[3:].strip('"') for line in lines if line.startswith("ID=")), "")


def _apt(root: list[str], packages: list[str]) -> bool:
    BUILD.mkdir(exist_ok=True)
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    with (BUILD / "apt.log").open("w", encoding="utf-8") as log:
        for words in (["update"], ["install", "--no-install-recommends", *packages]):
            if subprocess.run([*root, *quiet, *words], stdout=log, stderr=log, check=False).returncode:
                return False
    return True
