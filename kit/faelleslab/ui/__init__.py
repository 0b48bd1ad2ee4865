"""What the user sees of a notebook: its form, its pictures, its files, and the built templates.

Every name is loaded on first use; nothing here imports pandas or a drawing library. Pictures are SVG written by
`faelleslab.ui.charts`, because a drawing library costs more processor time than everything else in a short run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faelleslab.ui.build import build_notebooks
    from faelleslab.ui.charts import Figure, bars, profile, ranking
    from faelleslab.ui.comparison import most_alike, municipality_name, nearest_in_rank
    from faelleslab.ui.files import offer_files
    from faelleslab.ui.picture import Picture
    from faelleslab.ui.table import Table
    from faelleslab.ui.text import format_number

__all__ = [
    "Figure",
    "Picture",
    "Table",
    "bars",
    "build_notebooks",
    "format_number",
    "most_alike",
    "municipality_name",
    "nearest_in_rank",
    "offer_files",
    "profile",
    "ranking",
]

_HOME = {
    "Figure": "charts",
    "Picture": "picture",
    "Table": "table",
    "bars": "charts",
    "build_notebooks": "build",
    "format_number": "text",
    "most_alike": "comparison",
    "municipality_name": "comparison",
    "nearest_in_rank": "comparison",
    "offer_files": "files",
    "profile": "charts",
    "ranking": "charts",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
