"""What every answer carries and every changing request must show.

A POST is taken only from one of our own pages: it must come from the same origin (the browser says so itself) and
carry the session's token. Answers forbid everything that does not come from this service.
"""

import hmac
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from faelleslab.errors import AccessError
from faelleslab_hub.web.hub_login import Session

PAGE_POLICY = (
    "default-src 'self'; script-src 'none'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-src 'self'; frame-ancestors 'none'"
)
# A report is made of what a notebook wrote: it may look nice and do nothing, in a frame of ours or on its own.
REPORT_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
_LARGEST_FORM = 10_000


def headers(policy: str = PAGE_POLICY) -> dict[str, str]:
    """Give the headers of an answer."""
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN" if policy is REPORT_POLICY else "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Cache-Control": "no-store",
    }


class Headers:
    """Adds the headers to every answer that does not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the answer back with its headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in headers().items():
                    found.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


async def check_form(request: Request, session: Session) -> dict[str, str]:
    """Read the form of a POST that is really ours.

    Raises
    ------
    AccessError
        FL-A102 when it comes from elsewhere or without the session's token.
    """
    refused = AccessError(
        "FL-A102",
        "Handlingen blev afvist.",
        rule="den skal komme fra en af arbejdsbordets egne sider.",
        remedy="genindlæs siden, og prøv igen.",
    )
    origin = urlsplit(request.headers.get("origin", ""))
    if origin.scheme not in ("http", "https") or origin.netloc != request.headers.get("host"):
        raise refused
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise refused
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/x-www-form-urlencoded":
        raise refused
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_FORM:
            raise refused
    values = parse_qs(body.decode("utf-8", "replace"), max_num_fields=50)
    form = {name: found[0] for name, found in values.items()}
    if not hmac.compare_digest(form.get("csrf", "").encode(), session.csrf.encode()):
        raise refused
    return form
