"""What a run has read: each data set's name and hash, written down while the notebook runs.

Outside a run nothing happens, so library code may call `record_data` without asking where it is. Inside a run the
engine sets ``FAELLESLAB_PROVENANCE`` to a file; each call appends one JSON line in one write, so that several processes
of one run never mix their lines.
"""

import json
import os
import re
from pathlib import Path

VARIABLE = "FAELLESLAB_PROVENANCE"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME = 500


def record_data(name: str, sha256: str) -> None:
    """Write down that this run has read a data set.

    Parameters
    ----------
    name : str
        The data set's name: a file name or an address, never a value from it. Cut at 500 characters.
    sha256 : str
        64 lower-case hexadecimal digits, of the bytes as they were read.

    Raises
    ------
    ValueError
        If `sha256` is not such a hash: a mistake in the calling code, never in the data.

    Examples
    --------
    >>> record_data("folk1a", "0" * 64)  # outside a run: nothing happens
    """
    if not _SHA256.fullmatch(sha256):
        raise ValueError("sha256 must be 64 lower-case hexadecimal digits")
    target = os.environ.get(VARIABLE)
    if not target:
        return
    line = json.dumps({"name": str(name)[:_LONGEST_NAME], "sha256": sha256}) + "\n"
    descriptor = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode("ascii"))
    finally:
        os.close(descriptor)


def read_records(path: str | Path) -> dict[str, str]:
    """Return name -> sha256 of what a run has read; the same name read with new bytes gets ``#2``, ``#3`` ...

    Parameters
    ----------
    path : str or Path
        The file named by ``FAELLESLAB_PROVENANCE``; a missing file is a run that read nothing. Lines that are not ours
        are passed over: the file lies within reach of the notebook.

    Returns
    -------
    dict of str to str
    """
    found: dict[str, str] = {}
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return found
    for line in text.splitlines():
        try:
            record = json.loads(line)
            name, sha256 = str(record["name"]), str(record["sha256"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        if not _SHA256.fullmatch(sha256):
            continue
        key, n = name, 1
        while found.get(key, sha256) != sha256:
            n += 1
            key = f"{name}#{n}"
        found[key] = sha256
    return found
