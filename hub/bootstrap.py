"""Make everything the workbench needs out of a bare Python: ``python3 hub/bootstrap.py demo|test|prove``.

Runs under the machine's own python3 with the standard library alone, and its syntax is old on purpose: a Python that is
too old must get as far as saying so. What it makes: ``.venv`` (exact pins of ``images/constraints``) and
``hub/node_modules``. An unchanged second run costs nothing; an interrupted one heals; two at once wait for each other.
Registries are whatever pip, npm and apt are configured to use on this machine: no address is written anywhere.
"""

import fcntl
import hashlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
BUILD = ROOT / "build"
LOG = BUILD / "bootstrap.log"
# Present while .venv is being changed: what is found after a kill is not trusted but made again.
UNFINISHED = BUILD / "venv.unfinished"
STAMPS = {"venv": VENV / "faelleslab.json", "node": ROOT / "hub" / "node_modules" / ".faelleslab.json"}
# Each kind holds the one before it.
PINS = {"demo": ["hub.txt"], "test": ["dev.txt"], "prove": ["dev.txt", "prove.txt"]}
OLDEST = (3, 11)
NEEDED_BYTES = 3 * 10**9
# What the failing step wrote -> the one sentence for it. The first that fits is used.
CAUSES = (
    (
        r"No space left on device|\[?Errno 28|ENOSPC|Disk quota exceeded|EDQUOT|Errno 122",
        "FL-K321",
        "Disken løb fuld under opsætningen.",
        "frigør 3 GB, og kør kommandoen igen.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|SELF_SIGNED_CERT|UNABLE_TO_(GET|VERIFY)",
        "FL-K324",
        "Pakkelagerets certifikat kan ikke efterprøves, fx fordi netværket inspicerer TLS.",
        "peg PIP_CERT og NODE_EXTRA_CA_CERTS på netværkets rodcertifikat, og kør kommandoen igen.",
    ),
    (
        r"NewConnectionError|ConnectTimeout|ReadTimeout|Read timed out|Temporary failure in name resolution|ProxyError"
        r"|Name or service not known|Network is unreachable|Connection refused|RemoteDisconnected|IncompleteRead"
        r"|ECONNREFUSED|ECONNRESET|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|NameResolutionError|Cannot connect to proxy",
        "FL-K323",
        "Pakkelageret kan ikke nås.",
        "slut maskinen til netværket (eller sæt PIP_INDEX_URL og npm_config_registry), og kør kommandoen igen.",
    ),
    (
        r"No matching distribution found|ETARGET|E404",
        "FL-K325",
        "En pakke findes ikke i pakkelageret til denne maskine.",
        "se sidst i build/bootstrap.log, hvilken det er; arbejdsbordet er prøvet på x86-64 med Python 3.11-3.13.",
    ),
)


class Stop(Exception):
    """The one sentence the user gets, in the form of the error family of the kit."""

    def __init__(self, code: str, what: str, remedy: str) -> None:
        super().__init__(f"{what} Gør: {remedy} ({code})")


class Steps:
    """Counted steps with elapsed time: one line each, and no wall of another program's output."""

    def __init__(self, total: int, lock: int) -> None:
        self.total, self.number, self.lock, self.live = total, 0, lock, sys.stdout.isatty()
        self.log = os.fdopen(os.open(str(LOG), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", 1, encoding="utf-8")

    def begin(self, label: str) -> None:
        """Start the next step."""
        self.number += 1
        self.label, self.started, self.shown = label, time.monotonic(), 0.0
        self.show("")

    def show(self, progress: str, end: str = "\r") -> None:
        """Rewrite the step's line on a terminal; elsewhere only its end is written."""
        seconds = time.monotonic() - self.started
        if self.live or end == "\n":
            line = f"[{self.number}/{self.total}] {self.label:<30}{progress:>22} {seconds:>5.0f} s"
            sys.stdout.write(line + end)
            sys.stdout.flush()

    def run(self, command: list, *, must: bool = True, count: int = 0, cwd: Path = ROOT) -> int:
        """Run one command, its output to the log; raises `Stop` with the cause when it must succeed and does not."""
        command = [str(part) for part in command]
        self.log.write(f"$ {' '.join(command)}\n")
        self.log.flush()
        # The child holds the lock too: should this process be killed, the next one waits until the child has ended.
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd,
            env=child_environment(), pass_fds=(self.lock,),
        )  # fmt: skip
        lines = queue.Queue()  # type: queue.Queue
        reader = threading.Thread(target=_read_lines, args=(child.stdout, lines), daemon=True)
        reader.start()
        tail, done, progress = [], 0, ""
        try:
            while True:
                try:
                    line = lines.get(timeout=0.5)
                except queue.Empty:
                    self.show(progress)
                    continue
                if line is None:
                    break
                self.log.write(line)
                tail = [*tail[-200:], line]
                if count:
                    done += line.startswith(("Collecting ", "Requirement already satisfied", "Ignoring "))
                    progress = bar(done, count)
                    if line.startswith("Installing collected"):
                        progress = "lægges på plads"
                    self.show(progress)
            code = child.wait()
        except BaseException:
            _end(child)
            raise
        finally:
            self.log.flush()
        if code and (must or re.search(CAUSES[0][0], "".join(tail))):
            raise explain("".join(tail), self.label)
        return code

    def finish(self) -> None:
        """Write the step's last line."""
        self.show("færdig", "\n")


def bar(done: int, total: int) -> str:
    """Draw how far we are."""
    filled = min(12, done * 12 // max(total, 1))
    return f"{'█' * filled}{'░' * (12 - filled)} {min(done, total)}/{total}"


def explain(output: str, step: str) -> Stop:
    """Turn what a failing program wrote into one sentence."""
    for pattern, code, what, remedy in CAUSES:
        if re.search(pattern, output):
            return Stop(code, what, remedy)
    return Stop("FL-K326", f"Trinnet '{step}' mislykkedes.", f"se sidst i {LOG}.")


def child_environment() -> dict:
    """Keep what pip, npm and apt are told (indexes, proxies, certificates), drop what would send files elsewhere."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_CONSTRAINT")
    env = {name: value for name, value in os.environ.items() if name not in dropped}
    env.update(
        PIP_USER="0", PIP_NO_INPUT="1", PIP_DISABLE_PIP_VERSION_CHECK="1", PYTHONNOUSERSITE="1", LC_ALL="C.UTF-8"
    )
    env["PYTHONUNBUFFERED"] = "1"  # or the bar would stand still and then jump
    # /tmp is memory on many machines, and all packages are unpacked at once.
    env.setdefault("TMPDIR", str(BUILD / "tmp"))
    return env


def find_python() -> str:
    """Find a Python that is new enough: this one, or a newer one beside it."""
    found = []
    for name in [sys.executable, "python3.14", "python3.13", "python3.12", "python3.11"]:
        path = shutil.which(name)
        if not path:
            continue
        code = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
        try:
            answer = subprocess.run([path, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
            version = tuple(int(part) for part in answer.stdout.decode().split("."))
        except (OSError, ValueError, subprocess.SubprocessError):
            continue
        if version >= OLDEST:
            return path
        found.append(".".join(map(str, version)))
    raise Stop(
        "FL-K320",
        f"Python {', '.join(found) or '3'} er for gammel; arbejdsbordet kræver Python 3.11 eller nyere.",
        "installér en nyere, fx 'sudo apt install python3.11', eller brug Debian 12/13 eller Ubuntu 24.04.",
    )


def pin_files(kind: str) -> list:
    """Give the files of exact versions."""
    return [ROOT / "images" / "constraints" / name for name in PINS[kind]]


def wanted(kind: str) -> dict:
    """Say what the two folders must have been made from."""
    digest = hashlib.sha256()
    for path in [*pin_files(kind), ROOT / "pyproject.toml", ROOT / "hub" / "pyproject.toml", Path(__file__)]:
        digest.update(path.read_bytes())
    lock = hashlib.sha256((ROOT / "hub" / "package-lock.json").read_bytes()).hexdigest()
    # A checkout that was moved or a python3 that was upgraded under it needs a new .venv as well.
    return {
        "venv": {"kind": kind, "pins": digest.hexdigest(), "python": os.path.realpath(PYTHON), "checkout": str(ROOT)},
        "node": {"kind": "demo" if kind == "demo" else "test", "lock": lock},
    }


def up_to_date(part: str, kind: str) -> bool:
    """Tell whether a folder is as it must be; what is made for more than is asked for serves as well."""
    try:
        stamp = json.loads(STAMPS[part].read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if part == "venv" and (UNFINISHED.exists() or not os.access(PYTHON, os.X_OK)):
        return False
    kinds = list(PINS)
    return any(stamp == wanted(each)[part] for each in kinds[kinds.index(kind) :])


def make_venv(steps: Steps, kind: str, python: str) -> None:
    """Make or bring up to date ``.venv``."""
    steps.begin("Python-miljø")
    same = (VENV / "pyvenv.cfg").exists() and not UNFINISHED.exists()
    if same and STAMPS["venv"].exists():
        text = STAMPS["venv"].read_text(encoding="utf-8")
        same = json.dumps(str(ROOT)) in text and json.dumps(os.path.realpath(PYTHON)) in text
    same = same and steps.run([PYTHON, "-c", "import sys; assert sys.version_info >= (3, 11)"], must=False) == 0
    UNFINISHED.touch()
    if not same:
        shutil.rmtree(str(VENV), ignore_errors=True)
        steps.run([python, "-m", "venv", "--without-pip", VENV])
    elif STAMPS["venv"].exists():
        STAMPS["venv"].unlink()
    pip = find_pip(steps, python)
    steps.finish()

    steps.begin("Pakker hentes og installeres")
    pins = pin_files(kind)
    install = [*pip, "install", "--no-deps", "--only-binary", ":all:", "--progress-bar", "off", "--no-compile"]
    for path in pins:
        install += ["-r", path]
    steps.run(install, count=sum(path.read_text(encoding="utf-8").count("==") for path in pins))
    # pip would do this on one core. That some file does not compile (a template, say) is none of our business.
    steps.run([PYTHON, "-m", "compileall", "-q", "-j", "0", VENV / "lib"], must=False)
    steps.finish()

    steps.begin("Arbejdsbordet installeres")
    # The work trees themselves: an edit takes effect at once, and no build tool is fetched behind our back.
    steps.run([*pip, "install", "--no-deps", "--no-build-isolation", "-e", ROOT, "-e", ROOT / "hub"])
    write_stamp("venv", kind)
    UNFINISHED.unlink()
    steps.finish()


def find_pip(steps: Steps, python: str) -> list:
    """Find a pip for ``.venv``; a fresh Debian has neither pip nor ensurepip, so its package is asked for last."""
    own = [PYTHON, "-m", "pip"]
    for attempt in ([*own, "--version"], [PYTHON, "-m", "ensurepip", "--default-pip"]):
        if steps.run(attempt, must=False) == 0:
            return own
    beside = [python, "-m", "pip", "--python", PYTHON]
    if steps.run([*beside, "--version"], must=False) == 0:
        return beside
    with tempfile.TemporaryDirectory(dir=str(BUILD)) as name:
        for root in (Path("/"), Path(name)):
            if root != Path("/"):
                download_pip(steps, root)
            for wheel in sorted((root / "usr" / "share" / "python-wheels").glob("pip-*.whl"), reverse=True):
                command = [PYTHON, wheel / "pip", "install", "--no-index", "--no-deps", wheel]
                if steps.run(command, must=False) == 0:
                    return own
    raise Stop(
        "FL-K322",
        "Python mangler pip, og pip kunne ikke hentes herfra.",
        "kør 'sudo apt install python3-venv' (eller slut maskinen til netværket), og kør kommandoen igen.",
    )


def download_pip(steps: Steps, folder: Path) -> None:
    """Unpack Debian's own pip into a folder, without root, from the machine's own package source."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return
    if steps.run(["apt-get", "download", "python3-pip-whl"], must=False, cwd=folder):
        # No package lists yet, or not readable: use private ones.
        private = ["apt-get", "-o", f"Dir::State::Lists={folder}", "-o", f"Dir::Cache={folder}"]
        private += ["-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1"]
        (folder / "partial").mkdir(exist_ok=True)
        steps.run([*private, "update"], must=False, cwd=folder)
        steps.run([*private, "download", "python3-pip-whl"], must=False, cwd=folder)
    for package in folder.glob("python3-pip-whl*.deb"):
        steps.run(["dpkg-deb", "-x", package, folder], must=False)


def make_node_modules(steps: Steps, kind: str) -> None:
    """Fetch the proxy and the design system with the npm that came with ``.venv``."""
    steps.begin("Proxy og designsystem")
    command = [VENV / "bin" / "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    steps.run([*command, "--omit=dev"] if kind == "demo" else command, cwd=ROOT / "hub")
    write_stamp("node", kind)
    steps.finish()


def write_stamp(part: str, kind: str) -> None:
    """Note what a folder was made from, only once it is whole."""
    new = STAMPS[part].with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        json.dump(wanted(kind)[part], file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(STAMPS[part])


def prepare(kind: str) -> None:
    """Bring ``.venv`` and ``hub/node_modules`` to what this checkout asks for."""
    if up_to_date("venv", kind) and up_to_date("node", kind):
        return
    python = find_python()
    (BUILD / "tmp").mkdir(parents=True, exist_ok=True)
    with (BUILD / "bootstrap.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("Venter på en opsætning, der allerede er i gang …", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        parts = [part for part in ("venv", "node") if not up_to_date(part, kind)]
        if "venv" in parts and not STAMPS["venv"].exists() and shutil.disk_usage(str(ROOT)).free < NEEDED_BYTES:
            raise Stop("FL-K321", "Disken er for fuld.", f"frigør 3 GB dér, hvor {ROOT} ligger.")
        if not parts:
            return
        print("Første opsætning henter ca. 400 MB og tager nogle minutter (log: build/bootstrap.log).", flush=True)
        steps = Steps(3 * ("venv" in parts) + ("node" in parts), lock.fileno())
        try:
            if "venv" in parts:
                make_venv(steps, kind, python)
            if "node" in parts:
                make_node_modules(steps, kind)
        finally:
            steps.log.close()
        shutil.rmtree(str(BUILD / "tmp"), ignore_errors=True)


def _read_lines(stream: object, lines: queue.Queue) -> None:
    with stream:  # type: ignore[attr-defined]
        for raw in stream:  # type: ignore[attr-defined]
            lines.put(raw.decode("utf-8", "replace"))
    lines.put(None)


def _end(child: subprocess.Popen) -> None:
    child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list) -> int:
    """Prepare for the demo or the tests; one sentence and exit code 2 when that cannot be done."""
    signal.signal(signal.SIGTERM, _interrupt)
    if len(arguments) != 1 or arguments[0] not in PINS:
        print("Brug: python3 hub/bootstrap.py demo|test|prove", file=sys.stderr)
        return 2
    try:
        prepare(arguments[0])
    except Stop as stop:
        message = str(stop)
    except OSError as error:
        full = error.errno in (28, 122)
        message = str(
            explain("ENOSPC", "")
            if full
            else Stop(
                "FL-K327",
                f"{error.filename or ROOT} kan ikke bruges ({error.strerror}).",
                "giv dig selv skriveadgang til mappen, og kør kommandoen igen.",
            )
        )
    except KeyboardInterrupt:
        print("\nAfbrudt. Næste kørsel begynder, hvor den skal.", file=sys.stderr)
        return 130
    else:
        return 0
    print(("\n" if sys.stdout.isatty() else "") + message, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
