"""The folders that containers see: made before the container, owned by the user it runs as, closed to everybody else.

Rule: a container runs as the hub's own user when that is not root, else as uid 1000 with the folders given to it.
"""

import os
from pathlib import Path

from faelleslab.errors import ConfigurationError
from faelleslab_hub.settings import Settings

_IMAGE_USER = 1000  # `analytiker` in images/base/Dockerfile


def container_owner() -> tuple[int, int]:
    """Give uid and gid of every container's processes; never root."""
    return (os.getuid(), os.getgid()) if os.getuid() else (_IMAGE_USER, _IMAGE_USER)


def ensure_home(settings: Settings, tenant: str, account: str) -> Path:
    """Make an account's home, closed to everybody but its container; keeps what is there."""
    return _owned(settings.account_home(tenant, account), settings.home / "homes", 0o700)


def ensure_run(settings: Settings, tenant: str, run_id: str) -> tuple[Path, Path]:
    """Make a run's ``input`` and ``output`` folders, both readable by its container; gives the two."""
    folder = settings.run_folder(tenant, run_id)
    root, mode = settings.home / "runs", settings.shared_folder_mode
    return _owned(folder / "input", root, mode), _owned(folder / "output", root, mode)


def ensure_control(settings: Settings, tenant: str, run_id: str) -> Path:
    """Make the folder where a run's container notes that it began and how far it is."""
    folder = settings.run_folder(tenant, run_id) / "control"
    return _owned(folder, settings.home / "runs", settings.shared_folder_mode)


def _owned(folder: Path, root: Path, mode: int) -> Path:
    """Make ``folder`` below ``root``; only the folder itself is given away, the way to it stays the hub's."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # A bind mount is reached without its parents, so they are closed to the container's user as well.
        for parent in (folder.parent, *folder.parent.parents):
            if parent.stat().st_uid == os.getuid():
                parent.chmod(mode)
            if parent == root:
                break
        folder.mkdir(exist_ok=True)
        # By descriptor and without following links: a link planted here must not give another folder away.
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            os.fchmod(descriptor, mode)
            if os.getuid() == 0:
                os.fchown(descriptor, *container_owner())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigurationError(
            "FL-K122",
            f"Mappen {folder} kan ikke laves ({error.strerror}).",
            remedy="giv hubbens bruger ret til mappen, eller vælg en anden med FAELLESLAB_HOME.",
        ) from None
    return folder
