"""How often the kernel has killed for want of memory: the counters of control groups v1 and v2, and of the machine."""

from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def group_kills(root: Path = _ROOT, own: Path = Path("/proc/self/cgroup")) -> int:
    """Return the number of kills in this process's memory group; 0 where it cannot be read.

    Parameters
    ----------
    root, own : Path
        Where the groups are mounted, and which ones this process is in; tests give others.

    Notes
    -----
    Source: the kernel's Documentation/admin-guide/cgroup-v2.rst (``memory.events``, key ``oom_kill``) and
    cgroup-v1/memory.rst (``memory.oom_control``). In a container the group is often mounted as the root of its tree.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return 0
    candidates: list[Path] = []
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        inside = path.lstrip("/")
        if "memory" in controllers.split(","):
            candidates += [root / "memory" / inside / "memory.oom_control", root / "memory" / "memory.oom_control"]
        elif number == "0":
            candidates += [root / inside / "memory.events", root / "memory.events"]
    return next((n for c in candidates if (n := _counter(c)) is not None), 0)


def machine_kills(source: Path = Path("/proc/vmstat")) -> int:
    """Return the number of kills on the whole machine; 0 where it cannot be read."""
    return _counter(source) or 0


def _counter(path: Path) -> int | None:
    try:
        for line in path.read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == "oom_kill":
                return int(value)
    except (OSError, ValueError):
        pass
    return None
