"""Proof: the playbook stands the workbench up on a fresh systemd host, over TLS, and T0 runs there.

Run by `make prove`. Needs a Docker engine and root; the host is a systemd container with an engine of its own inside.
What is seen: first run of the playbook, a second run that changes nothing, the login page over TLS checked against an
own certificate authority, one login, the template T0 as a production run in a container, the audit chain verified, and
which secrets each process's user can read.
"""

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import docker

from tests import result_file

ROOT = Path(__file__).resolve().parents[3]
NAME = "faelleslab-proof-host"
HOSTNAME = "faelleslab.test"
PORT = 8443
HOME = "/var/lib/faelleslab"


def main() -> int:
    """Prove it; returns 0 when every line was seen."""
    with tempfile.TemporaryDirectory(prefix="faelleslab-proof-") as folder:
        work = Path(folder)
        _make_keys(work)
        with _fresh_host(work) as address:
            figures = _prove(work, address)
    path = result_file.write("proofs", "fresh-host", figures)
    print(path.read_text(encoding="utf-8"))
    return 0


def _prove(work: Path, address: str) -> dict[str, object]:
    inventory = _inventory(work, address)
    first, first_s = _play(inventory)
    second, second_s = _play(inventory)
    assert first["failures"] == first["unreachable"] == 0, first
    assert second["failures"] == second["unreachable"] == 0, second
    assert second["changed"] == 0, f"the second run changed {second['changed']}"

    context = ssl.create_default_context(cafile=str(work / "ca.pem"))
    with urllib.request.urlopen(f"https://{HOSTNAME}:{PORT}/hub/login", context=context, timeout=30) as answer:
        page = answer.read().decode()
        assert answer.status == 200
        assert 'lang="da"' in page

    started = time.monotonic()
    run = _on_host(
        f"cd {HOME} && sudo -u faelleslab-placer env $(cat /etc/faelleslab.env | xargs) "
        "/opt/faelleslab/src/.venv/bin/faelleslab-hub run 0751 "
        "/opt/faelleslab/src/notebooks/templates/t0_noegletal.py -p kommunekode 0751"
    )
    run_s = time.monotonic() - started
    assert run.returncode == 0, run.stdout + run.stderr
    verify = _on_host(
        "sudo -u faelleslab-hub env $(cat /etc/faelleslab.env | xargs) "
        "/opt/faelleslab/src/.venv/bin/faelleslab-hub audit verify"
    )
    assert verify.returncode == 0, verify.stdout + verify.stderr

    privileges = {}
    for process in ("hub", "proxy", "web", "broker", "placer", "inspector"):
        readable = _on_host(
            f"for d in hub proxy web broker; do sudo -u faelleslab-{process} ls {HOME}/secrets/$d >/dev/null 2>&1 "
            "&& printf '%s ' $d; done; true"
        ).stdout.split()
        engine = _on_host(f"sudo -u faelleslab-{process} test -w /run/docker.sock").returncode == 0
        privileges[process] = {"reads_secrets_of": readable, "reaches_docker": engine}
        assert readable == ([process] if process in ("hub", "proxy", "web", "broker") else []), privileges
        assert engine == (process in ("hub", "placer")), privileges
    listening = _on_host("ss -Hltn | awk '{print $4}' | sort -u").stdout.split()
    open_ports = sorted({a for a in listening if a.startswith(("0.0.0.0:", "*:", "[::]:"))})
    assert {a.rsplit(":", 1)[1] for a in open_ports} <= {"22", str(PORT)}, open_ports
    return {
        "host": _on_host(". /etc/os-release; echo $PRETTY_NAME").stdout.strip(),
        "first_run": {**first, "seconds": round(first_s)},
        "second_run": {**second, "seconds": round(second_s)},
        "tls": "login page answered, certificate checked against the own authority",
        "t0_run": {"seconds": round(run_s, 1), "exit_code": run.returncode},
        "audit_verify": verify.stdout.strip().splitlines(),
        "privileges": privileges,
        "listening_beyond_loopback_and_bridges": open_ports,
    }


def _make_keys(work: Path) -> None:
    def run(*command: str) -> None:
        subprocess.run(command, cwd=work, check=True, capture_output=True)

    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "id")
    key = ("-newkey", "rsa:2048", "-nodes")
    authority = ("-subj", "/CN=Proof CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-days", "30")
    run("openssl", "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", *authority)
    run("openssl", "req", *key, "-keyout", "host.key", "-out", "host.csr", "-subj", f"/CN={HOSTNAME}")
    (work / "host.ext").write_text(f"subjectAltName=DNS:{HOSTNAME}\nextendedKeyUsage=serverAuth\n")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "host.ext")
    run("openssl", "x509", "-req", "-in", "host.csr", *signing, "-out", "host.pem")


@contextlib.contextmanager
def _fresh_host(work: Path) -> Iterator[str]:
    client = docker.from_env()
    build = work / "image"
    build.mkdir()
    shutil.copy(Path(__file__).with_name("Dockerfile"), build)
    shutil.copy(work / "id.pub", build / "authorized_keys")
    client.images.build(path=str(build), tag=f"{NAME}:latest", network_mode="host", rm=True)
    with contextlib.suppress(docker.errors.NotFound):
        client.containers.get(NAME).remove(force=True, v=True)
    # The walls a systemd container needs opened are those of the machine the proof runs on, not of the workbench.
    container = client.containers.run(
        f"{NAME}:latest",
        name=NAME,
        detach=True,
        hostname="faelleslab",
        cap_add=["SYS_ADMIN", "NET_ADMIN", "DAC_READ_SEARCH", "SYS_PTRACE"],
        security_opt=["seccomp=unconfined"],
        cgroupns="host",
        tmpfs={"/run": "", "/run/lock": "", "/tmp": "exec"},
        volumes={
            "/sys/fs/cgroup": {"bind": "/sys/fs/cgroup", "mode": "rw"},
            f"{NAME}-docker": {"bind": "/var/lib/docker", "mode": "rw"},
        },
    )
    hosts = Path("/etc/hosts")
    before = hosts.read_text()
    try:
        container.reload()
        address = container.attrs["NetworkSettings"]["IPAddress"]
        hosts.write_text(before + f"{address} {HOSTNAME}\n")
        bundle = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
        if (
            bundle
        ):  # a network that inspects TLS: the machine's own authorities, as its IT department would install them
            subprocess.run(["docker", "cp", bundle, f"{NAME}:/etc/ssl/certs/ca-certificates.crt"], check=True)
        _wait_for_ssh(work, address)
        yield address
    finally:
        hosts.write_text(before)
        container.remove(force=True, v=True)
        with contextlib.suppress(docker.errors.APIError):
            client.volumes.get(f"{NAME}-docker").remove(force=True)


def _ssh(work: Path) -> list[str]:
    return [
        "-i",
        str(work / "id"),
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        f"UserKnownHostsFile={work / 'known'}",
        "-o",
        "LogLevel=ERROR",
    ]


def _wait_for_ssh(work: Path, address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (
            subprocess.run(["ssh", *_ssh(work), f"root@{address}", "true"], capture_output=True, check=False).returncode
            == 0
        ):
            return
        time.sleep(1)
    raise SystemExit("the fresh host did not answer on ssh within 60 s")


def _on_host(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", "exec", NAME, "bash", "-c", command], capture_output=True, text=True, check=False)


def _inventory(work: Path, address: str) -> Path:
    passed = {k: v for k, v in os.environ.items() if k.startswith("PIP_") and k not in ("PIP_FIND_LINKS",)}
    if passed.get("PIP_CERT") or os.environ.get("NODE_EXTRA_CA_CERTS"):
        bundle = "/etc/ssl/certs/ca-certificates.crt"
        passed |= {
            "PIP_CERT": bundle,
            "NODE_EXTRA_CA_CERTS": bundle,
            "SSL_CERT_FILE": bundle,
            "REQUESTS_CA_BUNDLE": bundle,
        }
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    variables = {
        # Both runs install the same commit, also when somebody commits meanwhile.
        "faelleslab_version": commit.strip(),
        "ansible_host": address,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(work / "id"),
        "ansible_ssh_common_args": f"-o StrictHostKeyChecking=no -o UserKnownHostsFile={work / 'known'}",
        "ansible_python_interpreter": "/usr/bin/python3",
        "faelleslab_tls_certificate": str(work / "host.pem"),
        "faelleslab_tls_key": str(work / "host.key"),
        "faelleslab_public_url": f"https://{HOSTNAME}:{PORT}",
        "faelleslab_build_environment": passed,
    }
    path = work / "hosts.json"
    path.write_text(json.dumps({"faelleslab": {"hosts": {HOSTNAME: variables}}}))
    return path


def _play(inventory: Path) -> tuple[dict[str, int], float]:
    started = time.monotonic()
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            str(inventory),
            str(ROOT / "ansible" / "site.yml"),
        ],
        env={**os.environ, "ANSIBLE_HOST_KEY_CHECKING": "false", "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout[-6000:], done.stderr[-3000:], sep="\n")
    recap = next(line for line in reversed(done.stdout.splitlines()) if "failed=" in line)
    numbers = {k: int(v) for k, _, v in (word.partition("=") for word in recap.split() if "=" in word)}
    return {
        "ok": numbers["ok"],
        "changed": numbers["changed"],
        "failures": numbers["failed"],
        "unreachable": numbers["unreachable"],
    }, time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main())
