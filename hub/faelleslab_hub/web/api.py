"""The API: the same runs as the pages show, as JSON; described by ``api/openapi.json``."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from faelleslab_hub.settings import Settings
from faelleslab_hub.web.asking import Asking, RunId
from faelleslab_hub.web.hub_login import PREFIX
from faelleslab_hub.web.reading import Reader

State = Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED"]


class Me(BaseModel):
    """Who is asking."""

    account: str
    tenant: str
    role: str


class RunItem(BaseModel):
    """A run in a list."""

    id: str
    notebook: str
    state: State
    reason: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class RunPage(BaseModel):
    """One page of runs, newest first."""

    runs: list[RunItem]
    page: int
    more: bool


class RunDetail(RunItem):
    """One run; parameters' values are on its page only."""

    tenant: str
    notebook_sha256: str
    image: str | None
    attempt: int
    exit_code: int | None
    message: str | None


class Problem(BaseModel):
    """What every error answer holds."""

    code: str
    what: str
    rule: str
    remedy: str


_ERRORS: dict[int | str, dict[str, object]] = {
    status: {"model": Problem} for status in (401, 403, 404, 405, 422, 500, 503)
}


def create_router(settings: Settings) -> APIRouter:
    """Make the routes of the API."""
    router = APIRouter(prefix=f"{PREFIX}/api", responses=_ERRORS)

    @router.get("/me")
    async def me(asking: Asking) -> Me:
        """Say who is asking."""
        who = asking.identity
        return Me(account=who.name, tenant=who.tenant, role=who.role)

    @router.get("/runs")
    async def runs(asking: Asking, page: Annotated[int, Query(ge=1, le=10_000)] = 1) -> RunPage:
        """List the runs of one's own tenant."""
        found, more = await run_in_threadpool(Reader(settings, asking.identity).runs, page=page)
        items = [RunItem.model_validate(row, from_attributes=True) for row in found]
        return RunPage(runs=items, page=page, more=more)

    @router.get("/runs/{run_id}")
    async def run(asking: Asking, run_id: RunId) -> RunDetail:
        """Give one run of one's own tenant."""
        found = await run_in_threadpool(Reader(settings, asking.identity).run, run_id)
        return RunDetail.model_validate(found, from_attributes=True)

    return router
