"""What a route asks of its request: who is asking, and a run's id that is one."""

from typing import Annotated

from fastapi import Depends, Path, Request

from faelleslab_hub.web.hub_login import HubLogin, Session


async def _asking(request: Request) -> Session:
    login: HubLogin = request.app.state.login
    # Kept for the page of an error that happens later on.
    request.state.session = await login.session(request)
    found: Session = request.state.session
    return found


Asking = Annotated[Session, Depends(_asking)]
RunId = Annotated[str, Path(pattern=r"^[0-9a-z-]{1,32}$", description="Kørslens nummer")]
