"""Every answer that is not a page: Danish, with a code, as a page for a browser and as JSON for the API."""

import logging
from http import HTTPStatus
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from faelleslab.errors import AccessError, ConfigurationError, FaelleslabError
from faelleslab_hub.web import guard
from faelleslab_hub.web.hub_login import PREFIX, HubAwayError, NeedsLoginError
from faelleslab_hub.web.reading import not_found
from faelleslab_hub.web.rendering import Pages

_log = logging.getLogger(__name__)
_STATUS = {"FL-A111": HTTPStatus.NOT_FOUND, "FL-A101": HTTPStatus.BAD_REQUEST}


def install(app: FastAPI, pages: Pages) -> None:
    """Answer every kind of error of the application."""

    def show(request: Request, status: int, error: FaelleslabError) -> Response:
        if request.url.path.startswith(f"{PREFIX}/api/"):
            body = {"code": error.code, "what": error.what, "rule": error.rule, "remedy": error.remedy}
            return JSONResponse(body, status, headers=guard.headers())
        return pages.error(request, status, error)

    def own(request: Request, error: Exception) -> Response:
        assert isinstance(error, FaelleslabError)  # noqa: S101 (the kind it is registered for)
        if isinstance(error, AccessError):
            return show(request, _STATUS.get(error.code, HTTPStatus.FORBIDDEN), error)
        _log.error("%s %s: %s", request.method, request.url.path, error.code)
        # What is wrong with the machine is told to its operator, not to whoever asks.
        away = FaelleslabError(
            "FL-A120",
            "Siden kan ikke vises lige nu.",
            rule="intet vises, uden at det kan skrives i revisionssporet.",
            remedy=f"prøv igen om lidt, og kontakt it-drift med koden {error.code}, hvis det bliver ved.",
        )
        return show(request, HTTPStatus.SERVICE_UNAVAILABLE, away)

    def needs_login(request: Request, _error: Exception) -> Response:
        if request.method == "GET" and not request.url.path.startswith(f"{PREFIX}/api/"):
            target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"{PREFIX}/login?next={quote(target)}", status_code=303)
        return show(
            request,
            HTTPStatus.UNAUTHORIZED,
            AccessError("FL-A100", "Du er ikke logget ind.", remedy="åbn websiden i en browser, og log ind."),
        )

    def hub_away(request: Request, _error: Exception) -> Response:
        return show(
            request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            ConfigurationError(
                "FL-A121",
                "Hubben svarer ikke lige nu.",
                rule="siderne vises kun, når hubben siger, hvem du er.",
                remedy="prøv igen om et øjeblik.",
            ),
        )

    def http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.BAD_REQUEST
        if status == HTTPStatus.NOT_FOUND:
            return show(request, status, not_found())
        return show(
            request,
            status,
            AccessError("FL-A103", "Forespørgslen kunne ikke forstås.", remedy="gå til oversigten, og vælg derfra."),
        )

    def validation(request: Request, _error: Exception) -> Response:
        return http(request, HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY))

    def unexpected(request: Request, error: Exception) -> Response:
        _log.error("%s %s: %s", request.method, request.url.path, type(error).__name__)
        return show(
            request,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            FaelleslabError(
                "FL-A199",
                "Der er sket en fejl i arbejdsbordet.",
                rule="fejlen er skrevet i loggen, uden dine data.",
                remedy="prøv igen, og kontakt it-drift med koden, hvis det bliver ved.",
            ),
        )

    app.add_exception_handler(FaelleslabError, own)
    app.add_exception_handler(NeedsLoginError, needs_login)
    app.add_exception_handler(HubAwayError, hub_away)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(Exception, unexpected)
