"""The pages: overview, runs, a run, its report, and the audit events."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from faelleslab_hub.settings import Settings
from faelleslab_hub.web import guard, report
from faelleslab_hub.web.asking import Asking, RunId
from faelleslab_hub.web.hub_login import PREFIX, HubLogin
from faelleslab_hub.web.reading import Reader, not_found
from faelleslab_hub.web.rendering import Pages
from faelleslab_hub.web.results import Result, parameters
from faelleslab_hub.web.verdicts import Verdicts

_MOST_PAGES = 10_000


def create_router(settings: Settings, login: HubLogin, pages: Pages, verdicts: Verdicts) -> APIRouter:
    """Make the routes of the pages."""
    router = APIRouter(prefix=PREFIX, include_in_schema=False)

    @router.get("/login")
    async def begin_login(request: Request) -> Response:
        return await login.begin(request)

    @router.get("/oauth_callback")
    async def end_login(request: Request) -> Response:
        return await login.end(request)

    @router.post("/logout")
    async def log_out(request: Request, asking: Asking) -> Response:
        await guard.check_form(request, asking)
        login.leave(request)
        return RedirectResponse("/hub/logout", status_code=303)

    @router.get("/")
    async def overview(asking: Asking) -> Response:
        reader = Reader(settings, asking.identity)
        if not asking.identity.may_read_runs:
            return pages.page("overview", asking, counts={}, runs=[])
        counts = await run_in_threadpool(reader.count_runs)
        runs, _ = await run_in_threadpool(reader.runs)
        return pages.page("overview", asking, counts=counts, runs=runs[:5])

    @router.get("/koersler")
    async def run_list(asking: Asking, side: Annotated[int, Query(ge=1, le=_MOST_PAGES)] = 1) -> Response:
        runs, more = await run_in_threadpool(Reader(settings, asking.identity).runs, page=side)
        return pages.page("runs", asking, runs=runs, page=side, more=more)

    @router.get("/koersler/{run_id}")
    async def run_detail(asking: Asking, run_id: RunId) -> Response:
        run = await run_in_threadpool(Reader(settings, asking.identity).run, run_id)
        has_report = await run_in_threadpool(report.exists, settings, run)
        return pages.page(
            "run", asking, run=run, result=Result.of(run), parameters=parameters(run), has_report=has_report
        )

    @router.get("/koersler/{run_id}/rapport")
    async def run_report(asking: Asking, run_id: RunId) -> Response:
        reader = Reader(settings, asking.identity)
        run = await run_in_threadpool(reader.run, run_id)
        content = await run_in_threadpool(report.read, settings, run)
        if content is None:
            raise not_found()
        await run_in_threadpool(reader.record, "report.read", subject=run.id)
        return Response(content, media_type="text/html; charset=utf-8", headers=guard.headers(guard.REPORT_POLICY))

    @router.get("/haendelser")
    async def events(asking: Asking, foer: Annotated[int | None, Query(ge=1, le=2**53)] = None) -> Response:
        reader = Reader(settings, asking.identity)
        await run_in_threadpool(reader.record_reading_events)
        found, more = await run_in_threadpool(reader.events, before=foer)
        length = await run_in_threadpool(reader.n_events)
        verdict = await run_in_threadpool(verdicts.give, reader.chain(), n_events=length)
        return pages.page("events", asking, events=found, more=more, verdict=verdict, newest=foer is None)

    @router.post("/haendelser/kontrol")
    async def verify(request: Request, asking: Asking) -> Response:
        reader = Reader(settings, asking.identity)
        chain = reader.chain()
        await guard.check_form(request, asking)
        await run_in_threadpool(reader.record, "audit.verified")
        length = await run_in_threadpool(reader.n_events)
        await run_in_threadpool(verdicts.give, chain, n_events=length, anew=True)
        return RedirectResponse(f"{PREFIX}/haendelser", status_code=303)

    return router
