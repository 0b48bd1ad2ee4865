"""Make pages: server-rendered, Danish, on Det Fælles Designsystem, with tenant and role named on every one."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from faelleslab.errors import FaelleslabError
from faelleslab_hub.settings import CHECKOUT, Settings
from faelleslab_hub.tenants import OPERATION, Tenants
from faelleslab_hub.web import danish, guard
from faelleslab_hub.web.hub_login import PREFIX, Session
from faelleslab_hub.web.identity import Identity

DESIGN_SYSTEM = CHECKOUT / "hub" / "node_modules" / "dkfds" / "dist"
HUB_LOOK = Path(__file__).parents[1] / "static"
OWN_LOOK = Path(__file__).parent / "static"


class Pages:
    """The templates and what every page knows."""

    def __init__(self, settings: Settings, tenants: Tenants) -> None:
        self._tenants = tenants
        self._environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(prefix=PREFIX, is_demo=settings.mode == "embedded")
        for filter_ in (
            danish.moment,
            danish.duration,
            danish.size,
            danish.event_name,
            danish.details,
            danish.reason,
            danish.cell_state,
        ):
            self._environment.filters[filter_.__name__] = filter_
        self._environment.filters["run_state"] = danish.run_state

    def tenant_name(self, identity: Identity) -> str:
        """Name the tenant on whose behalf the page is shown."""
        return "Drift" if identity.tenant == OPERATION else self._tenants.get(identity.tenant).display_name

    def page(self, name: str, session: Session, **values: Any) -> HTMLResponse:
        """Render a page for someone who is logged in."""
        who = session.identity
        text = self._environment.get_template(f"{name}.html").render(
            who=who, tenant_name=self.tenant_name(who), csrf=session.csrf, here=name, **values
        )
        return HTMLResponse(text)

    def error(self, request: Request, status: int, error: FaelleslabError) -> HTMLResponse:
        """Render an error; to someone who is logged in it still says on whose behalf."""
        session: Session | None = getattr(request.state, "session", None)
        who = session.identity if session else None
        text = self._environment.get_template("error.html").render(
            who=who,
            tenant_name=self.tenant_name(who) if who else "",
            csrf=session.csrf if session else "",
            here="error",
            status=status,
            error=error,
        )
        return HTMLResponse(text, status, headers=guard.headers())
