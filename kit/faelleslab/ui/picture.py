"""A picture in a notebook: SVG with an alternative text that says what the picture shows."""

from dataclasses import dataclass

MEDIA_TYPE = "image/svg+xml"


@dataclass(frozen=True)
class Picture:
    """An SVG picture; shown when it is the last value of a cell.

    Attributes
    ----------
    svg : str
        A whole document, with ``<title>`` and ``<desc>``.
    alt : str
        The picture in words. It travels as the output's metadata: the form's extension makes it the picture's ``alt``
        in JupyterLab, and the report does the same.
    """

    svg: str
    alt: str

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        return {MEDIA_TYPE: self.svg, "text/plain": self.alt}, {MEDIA_TYPE: {"alt": self.alt}}

    def __repr__(self) -> str:
        return f"Picture({self.alt!r})"
