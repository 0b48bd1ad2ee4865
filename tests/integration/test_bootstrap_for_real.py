"""The bootstrap with real pip: no network, an index that lacks a package, a disk that runs full on the way."""

import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return _checkout(tmp_path / "checkout")


@pytest.fixture
def index() -> Iterator[str]:
    """A package index that has nothing."""

    class Nothing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/simple"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        # Not allowed here: the log, which every step writes, is on a device that is always full instead.
        (_checkout(place) / "build").mkdir()
        (place / "build" / "bootstrap.log").symlink_to("/dev/full")
        yield place
        return
    try:
        yield _checkout(place)
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_no_network_is_one_sentence(checkout: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{probe.getsockname()[1]}/simple"
        _one_sentence(_bootstrap(checkout, PIP_INDEX_URL=closed, PIP_RETRIES="1"), "FL-K323")
    assert (checkout / "build" / "bootstrap.log").stat().st_mode & 0o777 == 0o600
    assert (checkout / "build" / "venv.unfinished").exists()


def test_a_package_the_index_lacks_is_one_sentence(checkout: Path, index: str) -> None:
    _one_sentence(_bootstrap(checkout, PIP_INDEX_URL=index), "FL-K325")


def test_a_disk_that_runs_full_on_the_way_is_one_sentence(small_disk: Path) -> None:
    _one_sentence(_bootstrap(small_disk), "FL-K321")


def _checkout(place: Path) -> Path:
    """The same bootstrap with one tiny pin that no index has."""
    for name in (
        "hub/bootstrap.py",
        "pyproject.toml",
        "hub/pyproject.toml",
        "hub/package.json",
        "hub/package-lock.json",
    ):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, place / name)
    pins = place / "images" / "constraints"
    pins.mkdir(parents=True)
    (pins / "hub.txt").write_text("tiny==1\n")
    for name in ("dev.txt", "prove.txt"):
        (pins / name).write_text("")
    return place


def _bootstrap(checkout: Path, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    code = (
        f"import sys; sys.path.insert(0, {str(checkout / 'hub')!r}); import bootstrap\n"
        "bootstrap.NEEDED_BYTES = 0\nsys.exit(bootstrap.main(['demo']))"
    )
    return subprocess.run(
        [sys.executable, "-B", "-c", code],
        env={**kept, "PIP_CONFIG_FILE": os.devnull, **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def _one_sentence(result: subprocess.CompletedProcess[str], code: str) -> None:
    assert result.returncode == 2, result.stdout + result.stderr
    assert code in result.stderr, result.stderr
    assert "Gør: " in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
