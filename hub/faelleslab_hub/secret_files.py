"""The installation's secrets: one small file each, in the folder of the one process that may read it.

``<home>/secrets/<reader>/<name>``: folders 0700, files 0600. A file that others can read is refused rather than used,
and a missing one is never made silently: `faelleslab-hub secrets create` makes it. A value never reaches a log, an
argument list or a message.
"""

import argparse
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from faelleslab.errors import ConfigurationError
from faelleslab_hub.settings import Settings

# Letters and digits that cannot be mistaken for each other: the password is typed by hand on a course.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def _random() -> str:
    return secrets.token_hex(32)


def _password() -> str:
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(3))


def _signing_key() -> str:
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


# Name -> (who reads it, how it is made). Readers of the same secret get the same value.
SECRETS: dict[str, tuple[tuple[str, ...], Callable[[], str]]] = {
    "cookie-secret": (("hub",), _random),
    "proxy-token": (("hub", "proxy"), _random),
    "web-client-secret": (("hub", "web"), _random),
    "culler-token": (("hub",), _random),
    "account-password": (("hub",), _password),
    "checkpoint-key": (("broker",), _signing_key),
}


def read(settings: Settings, reader: str, name: str) -> str:
    """Give a secret to the process that may have it.

    Parameters
    ----------
    settings : Settings
    reader : str
        The process: ``hub``, ``proxy``, ``web`` or ``broker``.
    name : str
        A key of `SECRETS` that has this reader.

    Returns
    -------
    str
        The value without a trailing line break.

    Raises
    ------
    ConfigurationError
        FL-K301 when it is missing, FL-K302 when others may read it, FL-K303 when it is empty or no plain file.
    """
    if name not in SECRETS or reader not in SECRETS[name][0]:
        raise ValueError(f"{reader} has no secret {name}")  # a fault of the caller, not of the installation
    return _read(settings.secrets / reader / name)


def create_missing(settings: Settings) -> list[str]:
    """Make every secret that is missing and leave the others untouched.

    Returns
    -------
    list of str
        What was made, as ``reader/name``.

    Raises
    ------
    ConfigurationError
        FL-K302, FL-K303 for a file that is there but not as it must be; FL-K304 when the private checkpoint key is
        gone while its public part is still there.
    """
    made = []
    with _locked(settings.secrets):
        for name, (readers, make) in SECRETS.items():
            paths = {reader: settings.secrets / reader / name for reader in readers}
            present = [path for path in paths.values() if os.path.lexists(path)]
            if not present and name == "checkpoint-key":
                _refuse_new_signing_key(settings)
            value = _read(present[0]) if present else make()
            for reader, path in paths.items():
                if path not in present:
                    _private_folder(path.parent)
                    _write(path, value, 0o600)
                    made.append(f"{reader}/{name}")
        _publish_key(settings)
    return made


def missing(settings: Settings) -> list[str]:
    """List the secrets that are not there, as ``reader/name``."""
    return [
        f"{reader}/{name}"
        for name, (readers, _) in SECRETS.items()
        for reader in readers
        if not os.path.lexists(settings.secrets / reader / name)
    ]


def public_key_path(settings: Settings) -> Path:
    """Say where the public half of the checkpoint key lies: openly, beside the checkpoints."""
    return settings.checkpoints / "public-key.pem"


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register ``secrets create`` and ``secrets list``."""
    parser = subparsers.add_parser("secrets", help="opret eller vis installationens hemmeligheder (aldrig værdierne)")
    commands = parser.add_subparsers(dest="task", required=True, metavar="OPGAVE")
    commands.add_parser("create", help="opret dem, der mangler; de andre røres ikke").set_defaults(handler=_create)
    commands.add_parser("list", help="vis, hvilke der findes").set_defaults(handler=_list)


def _create(_: argparse.Namespace, settings: Settings) -> int:
    made = create_missing(settings)
    for name in made:
        print(f"Oprettet: {settings.secrets / name}")
    if not made:
        print("Alle hemmeligheder findes i forvejen; intet er ændret.")
    return 0


def _list(_: argparse.Namespace, settings: Settings) -> int:
    absent = set(missing(settings))
    for name, (readers, _make) in SECRETS.items():
        for reader in readers:
            print(f"{'mangler' if f'{reader}/{name}' in absent else 'findes ':8}{settings.secrets / reader / name}")
    return 0


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time make secrets here, so that two readers of one secret never get different values."""
    # Where each process has a user of its own, their group may pass through here (not list) to its own sub-folder.
    _private_folder(folder, forbidden=0o067)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _private_folder(folder: Path, forbidden: int = 0o077) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & forbidden:
        raise _too_open(folder)


def _read(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise ConfigurationError(
            "FL-K301", f"Hemmeligheden {path} mangler.", remedy="kør 'faelleslab-hub secrets create'."
        ) from None
    except OSError as error:
        raise _unusable(path, error.strerror or "ukendt fejl") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _unusable(path, "ikke en almindelig fil")
        if mode & 0o077:
            raise _too_open(path)
        if path.parent.stat().st_mode & 0o077:
            raise _too_open(path.parent)
        value = os.read(descriptor, 65536).decode("ascii").strip()
    except UnicodeDecodeError:
        raise _unusable(path, "ikke almindelig tekst") from None
    finally:
        os.close(descriptor)
    if not value:
        raise _unusable(path, "tom fil")
    return value


def _too_open(path: Path) -> ConfigurationError:
    return ConfigurationError(
        "FL-K302",
        f"Andre end ejeren har adgang til {path}.",
        rule="en hemmelighed kan kun læses af den proces, den er til.",
        remedy=f"kør 'chmod go-rwx {path}'.",
    )


def _unusable(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        "FL-K303",
        f"Hemmeligheden {path} kan ikke bruges ({why}).",
        remedy="slet den, og kør 'faelleslab-hub secrets create'.",
    )


def _refuse_new_signing_key(settings: Settings) -> None:
    """Stop before a lost key is replaced: what it has signed could no longer be checked."""
    public = public_key_path(settings)
    if public.exists():
        raise ConfigurationError(
            "FL-K304",
            f"Nøglen til revisionssporets kontrolpunkter mangler, men dens offentlige del findes i {public}.",
            rule="en tabt nøgle erstattes ikke stiltiende, for så kan de gamle kontrolpunkter ikke efterprøves.",
            remedy=f"gendan {settings.secrets / 'broker' / 'checkpoint-key'} fra sikkerhedskopien, "
            f"eller flyt hele mappen {settings.checkpoints} væk.",
        )


def _publish_key(settings: Settings) -> None:
    public = public_key_path(settings)
    if public.exists():
        return
    path = settings.secrets / "broker" / "checkpoint-key"
    try:
        key = serialization.load_pem_private_key(_read(path).encode(), password=None)
    except ValueError:
        raise _unusable(path, "ikke en nøgle") from None
    settings.checkpoints.mkdir(mode=0o755, parents=True, exist_ok=True)
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _write(public, pem.decode().strip(), 0o644)


def _write(path: Path, value: str, mode: int) -> None:
    """Write a new file whole or not at all, and never over one that is there."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), mode)
            file.write(value + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
