"""Writes SVG: a canvas of lines, boxes, dots and texts, with everything escaped.

Colours meet WCAG AA on white (text 4.5:1, shapes 3:1) and are told apart by the colour-blind; what is marked is always
also named in text.
"""

from html import escape

TEXT = "#1f1f1f"
QUIET_TEXT = "#505050"
OWN = "#0b5394"
OTHERS = "#7a93ac"
MIDDLE = "#a84300"
GRID = "#d9d9d9"
_FONT = "system-ui, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', Arial, sans-serif"
_CHARACTER = 0.56
"""Mean width of a character as a share of the font's size; used where a text must not run into another."""


def text_width(text: str, size: float) -> float:
    """Estimate a text's width in the canvas's units."""
    return len(text) * size * _CHARACTER


class Canvas:
    """A white canvas.

    Parameters
    ----------
    width, height : float
        In the units of everything drawn.
    """

    def __init__(self, width: float, height: float) -> None:
        self.width = width
        self.height = height
        self._shapes: list[str] = []

    def line(
        self, x1: float, y1: float, x2: float, y2: float, *, colour: str = GRID, width: float = 1, dash: str = ""
    ) -> None:
        """Draw a line."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._shapes.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}" stroke-width="{width}"{dashed}/>'
        )

    def box(self, x: float, y: float, width: float, height: float, *, colour: str) -> None:
        """Draw a filled box; a negative height or width is drawn as none."""
        self._shapes.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" fill="{colour}"/>'
        )

    def dot(self, x: float, y: float, radius: float, *, colour: str, opacity: float = 1) -> None:
        """Draw a filled circle."""
        self._shapes.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}" fill-opacity="{opacity}"/>'
        )

    def diamond(self, x: float, y: float, radius: float, *, colour: str) -> None:
        """Draw a diamond with a white edge, so that it stands out among dots."""
        points = f"{x:.1f},{y - radius:.1f} {x + radius:.1f},{y:.1f} {x:.1f},{y + radius:.1f} {x - radius:.1f},{y:.1f}"
        self._shapes.append(f'<polygon points="{points}" fill="{colour}" stroke="#fff" stroke-width="1.5"/>')

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 14,
        colour: str = TEXT,
        anchor: str = "start",
        bold: bool = False,
    ) -> None:
        """Write a text; `anchor` is start, middle or end."""
        weight = ' font-weight="600"' if bold else ""
        self._shapes.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{weight}>'
            f"{escape(text)}</text>"
        )

    def document(self, title: str, description: str) -> str:
        """Return the whole SVG document."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{self.width:.0f}" height="{self.height:.0f}" '
            f'viewBox="0 0 {self.width:.0f} {self.height:.0f}" font-family="{_FONT}">'
            f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
            f'<rect width="100%" height="100%" fill="#fff"/>' + "".join(self._shapes) + "</svg>"
        )
