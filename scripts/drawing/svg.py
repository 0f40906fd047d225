"""A page of SVG: boxes, arrows and words, in one style."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_STYLE = (
    "text{font-family:Helvetica,Arial,sans-serif;font-size:13px;fill:#1b2733}"
    ".small{font-size:11.5px}.strong{font-weight:bold}.faint{fill:#5b6b7a}"
    ".ground{fill:#ffffff}"
    ".box{fill:#eaf1f8;stroke:#2f5f8a;stroke-width:1.4}.end{fill:#f3eee3;stroke:#8a6d2f;stroke-width:1.4}"
    ".line{fill:none;stroke:#3b4a58;stroke-width:1.3}.dashed{stroke-dasharray:5 4}"
    ".life{stroke:#9aa7b3;stroke-width:1}"
)
_ARROW = (
    '<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
    'orient="auto-start-reverse"><path d="M0 1 L10 5 L0 9 z" fill="#3b4a58"/></marker></defs>'
)
Point = tuple[float, float]
_CHARACTER = 6.1  # of small words, on average


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


class Page:
    """Collects parts; `text` is the whole file."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self._size = _number(width), _number(height)
        self._title = title
        self._parts: list[str] = []

    def box(
        self, centre: Point, size: Point, words: Sequence[str], *, kind: str = "box", strong: bool = True
    ) -> None:
        """A rounded box with lines of words in its middle."""
        (x, y), (width, height) = centre, size
        self._parts.append(
            f'<rect class="{kind}" x="{_number(x - width / 2)}" y="{_number(y - height / 2)}" '
            f'width="{_number(width)}" height="{_number(height)}" rx="7"/>'
        )
        for row, line in enumerate(words):
            at = y + 4.5 + 15 * (row - (len(words) - 1) / 2)
            self.words((x, at), line, "strong" if strong and row == 0 else "small", anchor="middle")

    def words(self, at: Point, text: str, kind: str = "small", *, anchor: str = "start") -> None:
        """One line of words."""
        self._parts.append(
            f'<text class="{kind}" x="{_number(at[0])}" y="{_number(at[1])}" '
            f'text-anchor="{anchor}">{escape(text)}</text>'
        )

    def label(self, at: Point, text: str, kind: str = "small") -> None:
        """One line of words in the middle of `at`, on white ground: it may stand on a line."""
        width = _CHARACTER * len(text) + 6
        self._parts.append(
            f'<rect class="ground" x="{_number(at[0] - width / 2)}" y="{_number(at[1] - 11)}" '
            f'width="{_number(width)}" height="14.5"/>'
        )
        self.words(at, text, kind, anchor="middle")

    def path(self, points: Sequence[Point], *, arrow: bool = True, dashed: bool = False) -> None:
        """A line through two points, or a curve with control points between them."""
        kind = {2: "L", 3: "Q", 4: "C"}[len(points)]
        rest = " ".join(f"{_number(x)} {_number(y)}" for x, y in points[1:])
        marker = ' marker-end="url(#a)"' if arrow else ""
        style = "line dashed" if dashed else "line"
        start = f"{_number(points[0][0])} {_number(points[0][1])}"
        self._parts.append(f'<path class="{style}" d="M{start} {kind}{rest}"{marker}/>')

    def life(self, x: float, top: float, bottom: float) -> None:
        """The line of somebody who sends and receives."""
        at = _number(x)
        self._parts.append(
            f'<line class="life" x1="{at}" y1="{_number(top)}" x2="{at}" y2="{_number(bottom)}"/>'
        )

    @property
    def text(self) -> str:
        """The file."""
        width, height = self._size
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img"><title>{escape(self._title)}</title>'
            f'<style>{_STYLE}</style>{_ARROW}<rect width="{width}" height="{height}" fill="#ffffff"/>'
        )
        return "\n".join([head, *self._parts, "</svg>"]) + "\n"
