"""The one error family of Fælleslab.

Every error a user can meet is a `FaelleslabError`: one Danish text that says what happened, which rule was met and
what to do next, with a code that has a heading in `hub/docs/errors.md` (a test asserts it). It never holds a row value.

::

    FaelleslabError            exit code 1
    ├── DataError              FL-D…  2   a file or an open-data service
    ├── ParameterError         FL-P…  2   a notebook's typed parameters
    ├── RunError               FL-R…  see faelleslab.jobs.result: one exit code per ending
    ├── ConfigurationError     FL-K…  2   settings, municipalities, secrets, a missing part of the machine
    ├── AccessError            FL-L…  3   login, role, tenant
    └── AuditError             FL-A…  4   the audit chain does not hold
"""


class FaelleslabError(Exception):
    """A clear Danish sentence with a code.

    Parameters
    ----------
    code : str
        ``FL-`` + one letter + three digits; has a heading in ``hub/docs/errors.md``.
    what : str
        What happened, one Danish sentence. Column names, file names and line numbers are safe; cell values are not.
    rule : str
        Which rule was met; may be empty when the sentence says it.
    remedy : str
        What to do next, in the imperative.
    """

    exit_code = 1

    def __init__(self, code: str, what: str, *, rule: str = "", remedy: str = "") -> None:
        self.code = code
        self.what = what
        self.rule = rule
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        parts = [self.what]
        if self.rule:
            parts.append(f"Regel: {self.rule}")
        if self.remedy:
            parts.append(f"Gør: {self.remedy}")
        return " ".join(parts) + f" ({self.code})"

    def _render_traceback_(self) -> list[str]:
        # Asked for by IPython: a notebook shows the sentence and never a stack trace.
        return [str(self)]

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.code, self.what, self.rule, self.remedy))


def _rebuild(kind: type[FaelleslabError], code: str, what: str, rule: str, remedy: str) -> FaelleslabError:
    return kind(code, what, rule=rule, remedy=remedy)


class DataError(FaelleslabError):
    """A file could not be read as a table, or an open-data service did not answer as it should."""

    exit_code = 2


class ParameterError(FaelleslabError):
    """A value does not fit the notebook's typed parameters."""

    exit_code = 2


class RunError(FaelleslabError):
    """A run could not start or did not end well."""


class ConfigurationError(FaelleslabError):
    """A setting, a secret or a part of the machine is missing or wrong."""

    exit_code = 2


class AccessError(FaelleslabError):
    """The account may not do this."""

    exit_code = 3


class AuditError(FaelleslabError):
    """The audit chain does not hold."""

    exit_code = 4
