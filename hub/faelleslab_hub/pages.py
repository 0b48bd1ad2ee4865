"""What the hub's pages say: every error in Danish with a code, and what the templates may ask for.

JupyterHub's own English sentences never reach a page: the templates ask `Workbench` for the text of a status or of an
exception, and only an exception that carries our own error brings its own words. All texts of errors are in this
module, so that a second language becomes one more table.
"""

from http import HTTPStatus
from typing import Any

from jupyterhub.spawner import SpawnException
from jupyterhub.utils import AnyTimeoutError
from tornado import web

from faelleslab.errors import AccessError, FaelleslabError
from faelleslab_hub import accounts
from faelleslab_hub.accounts import Account
from faelleslab_hub.notebooks import Template, templates
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import OPERATION, Tenants


class DanishError(web.HTTPError):
    """An HTTP error that shows one of our own errors.

    Parameters
    ----------
    status : int
        The HTTP status.
    error : FaelleslabError
        What the user reads.
    headers : dict
        Headers to send along, such as ``Retry-After``.
    """

    def __init__(self, status: int, error: FaelleslabError, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, error.code)
        self.error = error
        self.headers = headers or {}
        # JupyterHub looks for this name on any exception.
        self.jupyterhub_message = str(error)


class ServerRefused(SpawnException):
    """A server that was not started, for a reason the user may know."""

    def __init__(self, status: int, error: FaelleslabError, *, reason: str) -> None:
        super().__init__(str(error), reason=reason, log_message=error.code, status_code=status)
        self.error = error
        self.jupyterhub_message = str(error)
        # The reason is a label for the metrics; as the HTTP reason phrase it would be shown.
        self.headers: dict[str, str] = {}


class Workbench:
    """What every template may ask for, under the name ``workbench``."""

    def __init__(self, settings: Settings, tenants: Tenants) -> None:
        self._settings = settings
        self._tenants = tenants

    @property
    def is_demo(self) -> bool:
        """Whether the page must say that there is no isolation."""
        return self._settings.mode == "embedded"

    def accounts(self) -> list[tuple[str, list[Account]]]:
        """Group the accounts for the login page: a tenant's name and its accounts."""
        groups: dict[str, list[Account]] = {}
        for account in accounts.available(self._tenants.by_code):
            groups.setdefault(self.tenant_name(account), []).append(account)
        return list(groups.items())

    def account(self, user: Any) -> Account | None:
        """Give the account of JupyterHub's user."""
        return accounts.find(user.name) if user else None

    def tenant_name(self, account: Account) -> str:
        """Name the tenant on whose behalf the account works."""
        return "Drift" if account.tenant == OPERATION else self._tenants.get(account.tenant).display_name

    def templates(self) -> list[Template]:
        """List the template notebooks that a user finds in ``skabeloner``."""
        return templates(self._settings)

    def page_error(self, status: int, exception: BaseException | None = None) -> FaelleslabError:
        """Give the text of an error page."""
        return page_error(status, exception)

    def server_error(self, exception: BaseException | None = None) -> FaelleslabError:
        """Give the text of a server that did not start."""
        return server_error(exception)


def page_error(status: int, exception: BaseException | None) -> FaelleslabError:
    """Give the error a page shows for an HTTP status, or the exception's own.

    Parameters
    ----------
    status : int
        The HTTP status.
    exception : BaseException, optional
        Only our own kinds are shown; anything else may hold English or what nobody should read.
    """
    own = getattr(exception, "error", None)
    if isinstance(own, FaelleslabError):
        return own
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return AccessError(
            "FL-L020",
            "Du har ikke adgang til denne side.",
            rule="adgangen følger din rolle og din kommune.",
            remedy="gå til forsiden, eller log ind med en anden konto.",
        )
    if status == HTTPStatus.NOT_FOUND:
        return AccessError(
            "FL-L021",
            "Siden findes ikke, eller du har ikke adgang til den.",
            remedy="kontrollér adressen, eller gå til forsiden.",
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return AccessError("FL-L022", "Mange starter arbejdsbordet lige nu.", remedy="vent et minut, og prøv igen.")
    if status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT):
        return AccessError("FL-L023", "Siden svarer ikke lige nu.", remedy="vent lidt, og prøv igen fra forsiden.")
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return AccessError(
            "FL-L024", "Forespørgslen kunne ikke forstås.", remedy="gå tilbage, genindlæs siden, og prøv igen."
        )
    return AccessError(
        "FL-L025",
        "Der er sket en fejl i arbejdsbordet.",
        rule="fejlen er skrevet i loggen, uden dine data.",
        remedy="prøv igen, og kontakt it-drift med koden, hvis det bliver ved.",
    )


def server_error(exception: BaseException | None) -> FaelleslabError:
    """Give the error of a server that did not start: the exception's own, too slow, or the plain fact."""
    own = getattr(exception, "error", None)
    if isinstance(own, FaelleslabError):
        return own
    if isinstance(exception, AnyTimeoutError):
        return AccessError(
            "FL-L012",
            "Arbejdsbordet nåede ikke at starte inden for tiden.",
            remedy="prøv igen om lidt; sker det igen, er maskinen overbelastet, og it-drift bør kigge på den.",
        )
    return AccessError(
        "FL-L013",
        "Arbejdsbordet kunne ikke starte.",
        rule="årsagen er skrevet i loggen.",
        remedy="prøv igen, og kontakt it-drift med koden, hvis det bliver ved.",
    )
