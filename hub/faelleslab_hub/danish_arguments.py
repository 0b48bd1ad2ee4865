"""A command line that speaks Danish: argparse with its fixed English words replaced."""

import argparse
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from faelleslab.errors import ConfigurationError

# argparse builds these sentences itself (through gettext, for which there is no Danish catalogue).
_SENTENCES = (
    (r"the following arguments are required: (.+)", r"Der mangler: \1."),
    (r"unrecognized arguments: (.+)", r"Dette kendes ikke: \1."),
    (r"argument (.+): invalid choice: (.+) \(choose from (.+)\)", r"\2 kan ikke bruges som \1; vælg en af \3."),
    (r"argument (.+): expected one argument", r"\1 skal følges af en værdi."),
    (r"argument (.+): expected (\d+) arguments?", r"\1 skal følges af \2 værdier."),
    (r"argument (.+): expected at least one argument", r"\1 skal følges af mindst én værdi."),
    (r"argument (.+): invalid (?:int|float) value: (.+)", r"\1 skal være et tal, ikke \2."),
    (r"argument (.+): invalid .+ value: (.+)", r"\2 kan ikke bruges som \1."),
    (r"argument (.+): not allowed with argument (.+)", r"\1 kan ikke bruges sammen med \2."),
    (r"one of the arguments (.+) is required", r"En af disse skal med: \1."),
    (r"ambiguous option: (.+) could match (.+)", r"\1 kan betyde flere ting: \2."),
)


class _DanishFormatter(argparse.RawDescriptionHelpFormatter):
    def add_usage(
        self, usage: str | None, actions: Iterable[Any], groups: Iterable[Any], prefix: str | None = None
    ) -> None:
        super().add_usage(usage, actions, groups, "brug: " if prefix is None else prefix)


class DanishParser(argparse.ArgumentParser):
    """An argument parser whose help and errors are Danish; a wrong command raises `ConfigurationError` FL-K207."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", _DanishFormatter)
        kwargs.setdefault("allow_abbrev", False)
        kwargs["add_help"] = False
        super().__init__(*args, **kwargs)
        self._positionals.title = "argumenter"
        self._optionals.title = "valgmuligheder"
        self.add_argument("-h", "--help", action="help", default=argparse.SUPPRESS, help="vis denne hjælp")

    def error(self, message: str) -> NoReturn:
        """Raise the error in Danish, with the command's own help as the remedy."""
        for pattern, sentence in _SENTENCES:
            if re.fullmatch(pattern, message, flags=re.DOTALL):
                what = re.sub(pattern, sentence, message, flags=re.DOTALL)
                break
        else:
            what = "Kommandoen kunne ikke læses."
        raise ConfigurationError("FL-K207", what, remedy=f"se '{self.prog} --help'.")
