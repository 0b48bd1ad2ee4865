"""Take a notebook into a run's folder: copied byte for byte, never parsed here (that is the inspection's part)."""

import hashlib
import os
import re
import shutil
import unicodedata
from pathlib import Path

from faelleslab.errors import RunError
from faelleslab_hub import folders
from faelleslab_hub.runs.untrusted import open_regular
from faelleslab_hub.settings import Settings

MAX_NOTEBOOK_BYTES = 20 * 2**20
GIVEN = "given.json"
PARAMETERS = "parameters.json"
# A letter or digit first: no hidden file, no option, no way out of the folder. Spaces are common on Windows.
_NAME = re.compile(r"[\w][\w .()+,-]{0,118}\.(?:ipynb|py)")


class UploadError(RunError):
    """A notebook that is not taken in at all."""

    exit_code = 2


def read_notebook(path: Path) -> tuple[str, bytes]:
    """Read a notebook to submit; gives its checked name and its bytes.

    Raises
    ------
    UploadError
        FL-R101 name, FL-R102 not readable or not an ordinary file, FL-R103 too large.
    """
    name = check_name(path.name)
    try:
        descriptor = open_regular(path)
    except OSError as error:
        kind = "et symbolsk link" if path.is_symlink() else "ikke en almindelig fil" if path.exists() else ""
        raise UploadError(
            "FL-R102",
            f"'{name}' er {kind}." if kind else f"'{name}' kan ikke læses ({error.strerror}).",
            rule="en notesbog tages kun ind som almindelig fil.",
            remedy="angiv selve filen, og se efter, at du må læse den.",
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(MAX_NOTEBOOK_BYTES + 1)
    if len(content) > MAX_NOTEBOOK_BYTES:
        raise UploadError(
            "FL-R103",
            f"Notesbogen '{name}' er for stor.",
            rule=f"en notesbog er højst {MAX_NOTEBOOK_BYTES // 2**20} MB.",
            remedy="ryd notesbogens resultater (Kernel → Genstart og ryd), og læg data i egne filer.",
        )
    return name, content


def check_name(name: str) -> str:
    """Give the notebook's name in one normal form; raises `UploadError` FL-R101 for one that could do harm."""
    normal = unicodedata.normalize("NFC", name)
    if len(normal.encode("utf-8", "replace")) > 160 or not _NAME.fullmatch(normal) or not normal.isprintable():
        raise UploadError(
            "FL-R101",
            "Notesbogens navn kan ikke bruges.",
            rule="navnet består af bogstaver, tal, mellemrum og . _ - ( ) + , og ender på .ipynb eller .py; "
            "højst 120 tegn og ingen mapper.",
            remedy="omdøb filen.",
        )
    return normal


def store(settings: Settings, tenant: str, run_id: str, name: str, content: bytes, given: str) -> str:
    """Put notebook and given parameters into the run's ``input`` folder; gives the notebook's SHA-256.

    Raises
    ------
    UploadError
        FL-R104 when the files cannot be written; nothing is left behind.
    """
    try:
        source, _ = folders.ensure_run(settings, tenant, run_id)
        write(source / name, content)
        write(source / GIVEN, given.encode())
    except OSError as error:
        discard(settings, tenant, run_id)
        raise UploadError(
            "FL-R104",
            f"Notesbogen kan ikke gemmes til kørslen ({error.strerror}).",
            remedy="se efter, om disken er fuld, og prøv igen.",
        ) from None
    return hashlib.sha256(content).hexdigest()


def write(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all, readable by the container's user."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o644)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    partial.rename(path)


def discard(settings: Settings, tenant: str, run_id: str) -> None:
    """Remove the folder of a run that was never recorded."""
    shutil.rmtree(settings.run_folder(tenant, run_id), ignore_errors=True)
