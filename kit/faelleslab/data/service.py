"""Ask an open-data service, patiently: retries with growing pauses, time-outs, cache, and shipped answers.

What the user gets is never silently old: an answer from the cache past its age, or a recorded one, is announced on one
line and named in the table's provenance.
"""

import json
import os
import ssl
import sys
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.util import Retry, Timeout

from faelleslab.data.answers import Answer, Cache, Request, default_cache, recorded
from faelleslab.data.provenance import Provenance, record_read
from faelleslab.errors import DataError

_AGENT = "faelleslab (kommunal analyse)"
_BUSY = (429, 500, 502, 503, 504)
_HALF_MINUTE = 30.0


class _AwayError(Exception):
    """The service could not be reached or did not answer as itself; the text is Danish and for the user."""


class Service:
    """One open-data service.

    Parameters
    ----------
    name : {"statbank", "energi"}
    title : str
        Its name for people.
    address : str
        Base address, http or https.
    attribution, licence : str
        The line to show with its figures, and their licence.
    offline : bool, optional
        Ask nothing of the network; the default is whether ``FAELLESLAB_OFFLINE=1``.
    timeout_s, retries, backoff_s : float, int, float
        Seconds without a byte before giving up; further attempts; the first pause in seconds, doubled each time.
    max_wait_s : float
        The longest pause the service may ask for (Retry-After), seconds.
    cache : Cache, optional
    """

    def __init__(
        self,
        name: str,
        title: str,
        address: str,
        *,
        attribution: str,
        licence: str,
        offline: bool | None = None,
        timeout_s: float = 60,
        retries: int = 4,
        backoff_s: float = 0.5,
        max_wait_s: float = 70,
        cache: Cache | None = None,
    ) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise DataError(
                "FL-D024",
                f"Adressen på {title} er ikke en webadresse.",
                remedy=f"Ret miljøvariablen FAELLESLAB_{name.upper()}_URL, eller fjern den.",
            )
        self.name, self.title, self.address = name, title, address.rstrip("/")
        self.attribution, self.licence = attribution, licence
        self.offline = os.environ.get("FAELLESLAB_OFFLINE") == "1" if offline is None else offline
        self.cache = cache or Cache(default_cache())
        self._timeout = Timeout(connect=min(timeout_s, _HALF_MINUTE), read=timeout_s)
        self._retry = Retry(
            total=retries,
            redirect=3,
            status_forcelist=_BUSY,
            allowed_methods={"GET", "POST"},  # every question here only reads
            backoff_factor=backoff_s,
            backoff_max=max_wait_s,
            retry_after_max=int(max_wait_s),
            raise_on_status=False,
        )

    def ask(self, request: Request, *, wants: str, max_age_s: float) -> Answer:
        """Get the answer to a question from cache, network or the shipped recordings.

        Parameters
        ----------
        request : Request
        wants : {"json", "csv"}
            What the answer must be.
        max_age_s : float
            How old a cached answer may be, seconds.

        Returns
        -------
        Answer

        Raises
        ------
        DataError
            FL-D020 (away, and no answer kept), FL-D021 (the service refuses the question).
        """
        answer = self._offline(request) if self.offline else self._online(request, wants, max_age_s)
        record_read(f"{self.name}{request.path}", answer.sha256)
        return answer

    def provenance(self, name: str, answer: Answer) -> Provenance:
        """Say where an answer comes from."""
        return Provenance(
            f"{self.name}/{name}",
            self.attribution,
            self.licence,
            answer.label,
            answer.retrieved,
            answer.sha256,
            answer.note,
        )

    def _offline(self, request: Request) -> Answer:
        answer = recorded(request) or self.cache.find(request, None)
        if answer is None:
            raise DataError(
                "FL-D020",
                f"{self.title} bruges uden net, og der er intet medsendt svar på netop det spørgsmål.",
                remedy="Kør med net (uden FAELLESLAB_OFFLINE=1), eller vælg en af de medsendte tabeller.",
            )
        return answer

    def _online(self, request: Request, wants: str, max_age_s: float) -> Answer:
        kept = self.cache.find(request, max_age_s)
        if kept is not None:
            return kept
        try:
            body = self._fetch(request, wants)
        except _AwayError as away:
            spare = self.cache.find(request, None) or recorded(request)
            if spare is None:
                raise DataError(
                    "FL-D020",
                    f"{self.title} svarer ikke: {away}.",
                    remedy="Prøv igen om lidt, eller spørg it, om der er adgang til tjenesten herfra.",
                ) from None
            source = "et tidligere svar" if spare.label == "mellemlager" else f"{spare.label} svar"
            sys.stderr.write(f"Bemærk: {self.title} svarer ikke ({away}). Der bruges {source} fra {spare.retrieved}.\n")
            return spare
        self.cache.keep(request, body)
        return Answer(body, "direkte", _today())

    def _fetch(self, request: Request, wants: str) -> bytes:
        url = self.address + request.path
        try:
            with self._pool(url) as pool:
                if self.name == "energi":
                    response = pool.request("GET", url, fields=request.parameters, **self._options())
                else:
                    body = json.dumps(request.parameters, ensure_ascii=False).encode()
                    headers = {"Content-Type": "application/json; charset=utf-8"}
                    response = pool.request("POST", url, body=body, headers=_headers() | headers, **self._options())
        except urllib3.exceptions.MaxRetryError as cause:
            raise _AwayError(_reason(cause.reason)) from None
        except urllib3.exceptions.HTTPError as cause:
            raise _AwayError(_reason(cause)) from None
        return self._checked(response, wants)

    def _options(self) -> dict[str, Any]:
        return {"timeout": self._timeout, "retries": self._retry}

    def _pool(self, url: str) -> urllib3.PoolManager:
        context = ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE") or None)
        parts = urlsplit(url)
        proxy = urllib.request.getproxies().get(parts.scheme)
        if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
            return urllib3.ProxyManager(proxy, headers=_headers(), ssl_context=context)
        return urllib3.PoolManager(headers=_headers(), ssl_context=context)

    def _checked(self, response: urllib3.BaseHTTPResponse, wants: str) -> bytes:
        body = response.data
        if response.status in _BUSY:
            raise _AwayError(f"den melder fejl {response.status}, også efter flere forsøg")
        kind = response.headers.get("Content-Type", "").lower()
        looks_html = "html" in kind or body[:200].lstrip().lower().startswith((b"<!doctype", b"<html"))
        if response.status >= 400:
            raise DataError(
                "FL-D021",
                f"{self.title} afviser spørgsmålet (fejl {response.status}).{'' if looks_html else _said(body)}",
                remedy="Tjek tabellens navn, variablene og værdierne, fx med table_info.",
            )
        if looks_html:
            raise _AwayError("der kom en hjemmeside i stedet for data (måske en netværksspærring)")
        if wants == "json":
            try:
                json.loads(body)
            except (ValueError, RecursionError):
                raise _AwayError("svaret er ikke helt") from None
        elif not body.strip() or not body.endswith(b"\n"):
            raise _AwayError("svaret er ikke helt")
        return body


def _headers() -> dict[str, str]:
    return {"User-Agent": _AGENT, "Accept-Encoding": "gzip"}


def _today() -> str:
    import datetime as dt

    return dt.datetime.now(dt.UTC).date().isoformat()


def _said(body: bytes) -> str:
    """Give the service's own words about the question, when it has any; they repeat the question at most."""
    try:
        words = json.loads(body).get("message", "")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return f" Den siger: {str(words)[:200]}" if words else ""


def _reason(cause: Exception | None) -> str:
    reasons: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
        (urllib3.exceptions.NameResolutionError, "navnet kan ikke slås op"),
        (urllib3.exceptions.ConnectTimeoutError, "der kom ingen forbindelse i tide"),
        (urllib3.exceptions.ReadTimeoutError, "svaret kom ikke i tide"),
        (urllib3.exceptions.SSLError, "den sikre forbindelse kan ikke oprettes (certifikat)"),
        (urllib3.exceptions.ProxyError, "netværkets proxy siger nej"),
        (urllib3.exceptions.NewConnectionError, "der er ingen forbindelse"),
        (urllib3.exceptions.ProtocolError, "forbindelsen blev afbrudt midt i svaret"),
        (urllib3.exceptions.ResponseError, "den melder fejl, også efter flere forsøg"),
    )
    return next((words for kind, words in reasons if isinstance(cause, kind)), "forbindelsen fejlede")
