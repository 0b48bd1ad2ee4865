"""A plain JupyterLab with the project's extension, settings and templates, in a folder of its own."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

from faelleslab.ui import build_notebooks

ROOT = Path(__file__).resolve().parents[2]
ARTEFACTS = ROOT / "tests" / "artefacts"
TOKEN = "kun-til-denne-proeve"


@dataclass(frozen=True)
class Lab:
    """A running server; `folder` is its root."""

    url: str
    folder: Path

    def template(self, name: str) -> Path:
        """Copy T0 into a folder of its own, so that tests do not see each other's files."""
        path = self.folder / name / "t0_noegletal.ipynb"
        path.parent.mkdir()
        shutil.copy(self.folder / "skabeloner" / path.name, path)
        return path

    def address(self, notebook: Path) -> str:
        """Address of a notebook, in a workspace of its own."""
        path = notebook.relative_to(self.folder).as_posix()
        return f"{self.url}/lab/workspaces/{notebook.parent.name}/tree/{path}?token={TOKEN}"

    def call(self, method: str, path: str, body: object = None) -> object:
        """Call the server's REST interface."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data=data, method=method, headers={"Authorization": f"token {TOKEN}"})
        with urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None


@contextmanager
def running_lab(folder: Path) -> Iterator[Lab]:
    """Start a server and stop it, by its process."""
    build_notebooks(ROOT / "notebooks" / "templates", folder / "skabeloner")
    shutil.copytree(ROOT / "kit" / "labextension", folder / ".ext" / "faelleslab")
    shutil.copytree(ROOT / "kit" / "labextension-settings", folder / ".settings")
    (folder / ".config").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    lab = {"extra_labextensions_path": [str(folder / ".ext")], "app_settings_dir": str(folder / ".settings")}
    server = {"ip": "127.0.0.1", "port": port, "port_retries": 0, "root_dir": str(folder), "open_browser": False}
    config = {"LabApp": lab, "ServerApp": {**server, "allow_root": True}}
    (folder / ".config" / "jupyter_server_config.json").write_text(json.dumps(config), encoding="utf-8")
    environment = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "JUPYTER_CONFIG_DIR": str(folder / ".config"),
        "JUPYTER_TOKEN": TOKEN,
        "PYTHONPATH": str(ROOT / "kit"),
        "LC_ALL": "C.UTF-8",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab"], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if "is running at" in line:
            break
    else:
        process.wait()
        raise AssertionError("JupyterLab did not start:\n" + "".join(said))
    # Its further lines are read away, or the pipe would fill and the server stand still.
    reader = threading.Thread(target=lambda: said.extend(process.stderr or []), daemon=True)
    reader.start()
    try:
        yield Lab(f"http://127.0.0.1:{port}", folder)
    finally:
        process.terminate()
        process.wait(timeout=60)
        reader.join(timeout=10)
        process.stderr.close()
