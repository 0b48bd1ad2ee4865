"""Danish data: files in and out, StatBank, Energi Data Service, and key figures of the 98 municipalities.

Every name is loaded on first use, so that `import faelleslab.data` costs nothing until a table is asked for.
"""

from importlib import import_module
from typing import Any

_WHERE = {
    "read_csv": "reading",
    "ReadReport": "report",
    "read_report": "report",
    "write_csv": "writing",
    "write_excel": "excel",
    "write_parquet": "writing",
    "StatBank": "statbank",
    "Energi": "energi",
    "key_figures": "figures",
    "units_of": "figures",
    "municipalities": "municipality_list",
    "Provenance": "provenance",
    "provenance_of": "provenance",
    "source_of": "provenance",
    "statbank": "",
    "energi": "",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    module = import_module(f"{__name__}.{_WHERE[name] or name}")
    return getattr(module, name) if _WHERE[name] else module


def __dir__() -> list[str]:
    return __all__
