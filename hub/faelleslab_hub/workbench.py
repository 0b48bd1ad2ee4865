"""The workbench's processes as one list, and how each is known to be ready; the same for `demo` and `up`."""

import contextlib
import http.client
import http.cookiejar
import re
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable

from faelleslab.errors import ConfigurationError
from faelleslab_hub import accounts, secret_files, supervisor
from faelleslab_hub.settings import Settings
from faelleslab_hub.supervisor import Process

# A process without a port is taken to be ready when it has lived so long: it has read its settings by then.
_SETTLED_S = 1.0


def processes(settings: Settings) -> list[Process]:
    """List the processes in the order of their start; the broker is last to stop, since it signs the audit chain."""

    def make(name: str, ready: Callable[[], bool] | None = None, *, last: bool = False) -> Process:
        process = Process(name, supervisor.command(name), lambda: False, last=last)
        process.ready = ready or (lambda: time.monotonic() - process.since > _SETTLED_S)
        return process

    return [
        make("proxy", lambda: listens(settings.bind, settings.port) and listens("127.0.0.1", settings.proxy_api_port)),
        # Through the proxy: the hub answers a moment before its route is there.
        make("hub", lambda: answers(settings.hub_port, "/hub/health") and _reaches_hub(settings)),
        make("web", lambda: listens("127.0.0.1", settings.web_port)),
        make("broker", lambda: listens("127.0.0.1", settings.broker_port), last=True),
        make("placer"),
        make("inspector"),
    ]


def listens(address: str, port: int) -> bool:
    """Tell whether something accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


def answers(port: int, path: str) -> bool:
    """Tell whether a process of ours answers 200 on loopback within a second."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def probe_login(settings: Settings) -> None:
    """Log in through the public address as a user would, and out again.

    The login is a real one and therefore an event. It is the operator's, who has just started the workbench: a login
    in an analyst's name that she never made would be a false line in her municipality's chain.

    Raises
    ------
    ConfigurationError
        FL-K333 when no login comes of it.
    """
    account = next(one for one in accounts.ACCOUNTS.values() if one.role == "operator")
    password = secret_files.read(settings, "hub", "account-password")
    browser = _Browser(settings)
    try:
        _, page = browser.get("/hub/login")
        token = re.search(r'name="_xsrf"[^>]*value="([^"]+)"', page)
        form = {"username": account.name, "password": password, "_xsrf": token.group(1) if token else ""}
        browser.post("/hub/login?next=%2Fhub%2Fhome", form)
        let_in = any(cookie.name == "jupyterhub-hub-login" for cookie in browser.cookies)
        if let_in:
            browser.get("/hub/logout")
    except (OSError, http.client.HTTPException) as error:
        raise _no_login(settings, type(error).__name__) from None
    if not let_in:
        raise _no_login(settings, "afvist")


def _reaches_hub(settings: Settings) -> bool:
    try:
        return _Browser(settings, timeout_s=1).get("/hub/health")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _no_login(settings: Settings, why: str) -> ConfigurationError:
    return ConfigurationError(
        "FL-K333",
        f"Arbejdsbordet er startet, men en prøvelogin lykkedes ikke ({why}).",
        remedy=f"læs {settings.logs / 'hub.log'}.",
    )


class _Browser:
    """A client with cookies that follows no redirect and uses no outer proxy."""

    def __init__(self, settings: Settings, timeout_s: float = 20) -> None:
        self._timeout_s = timeout_s
        scheme = "https" if settings.tls_certificate else "http"
        host = f"[{settings.bind}]" if ":" in settings.bind else settings.bind
        self._base = f"{scheme}://{host}:{settings.port}"
        self.cookies = http.cookiejar.CookieJar()
        # The certificate names the public address, and this talks to our own process on this machine.
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=trust),
            urllib.request.HTTPCookieProcessor(self.cookies),
            _NoRedirect(),
        )

    def get(self, path: str) -> tuple[int, str]:
        return self._open(path, None)

    def post(self, path: str, form: dict[str, str]) -> tuple[int, str]:
        return self._open(path, urllib.parse.urlencode(form).encode())

    def _open(self, path: str, body: bytes | None) -> tuple[int, str]:
        try:
            with self._opener.open(self._base + path, body, timeout=self._timeout_s) as answer:
                return answer.status, answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.read().decode("utf-8", "replace")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None
