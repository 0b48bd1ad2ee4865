"""A real HTTP server on loopback that plays a list of answers and keeps what it was asked."""

import http.server
import json
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest


@dataclass
class Play:
    """One answer; `cut` promises more bytes than are sent, `wait` holds the answer back until the test ends."""

    body: bytes = b""
    status: int = 200
    kind: str = "application/json"
    headers: dict = field(default_factory=dict)
    cut: bool = False
    wait: bool = False


class Theatre:
    """The server's side of the play: `answer(request) -> Play`, or the plays one after the other."""

    def __init__(self):
        self.plays = []
        self.asked = []
        self.answer = None
        self.over = threading.Event()
        self.address = ""

    def next(self, asked):
        self.asked.append(asked)
        if self.answer:
            return self.answer(asked)
        return self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]


@pytest.fixture
def theatre(monkeypatch, tmp_path):
    stage = Theatre()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            self.play({"path": parts.path, **{k: v[0] for k, v in parse_qs(parts.query).items()}})

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.play({"path": self.path, **json.loads(body)})

        def play(self, asked):
            play = stage.next(asked)
            if play.wait:
                stage.over.wait(20)
                return
            self.send_response(play.status)
            self.send_header("Content-Type", play.kind)
            self.send_header("Content-Length", str(len(play.body) + (1000 if play.cut else 0)))
            for name, value in play.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(play.body)
            self.close_connection = play.cut or self.close_connection

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    stage.address = f"http://127.0.0.1:{server.server_address[1]}"
    stage.time = time
    monkeypatch.setenv("FAELLESLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FAELLESLAB_OFFLINE", raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield stage
    stage.over.set()
    server.shutdown()
    server.server_close()
    thread.join()
