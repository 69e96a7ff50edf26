"""Where panels stand on a page, in inches from its top left corner.

Words are measured before they are placed, so that titles and captions never meet a neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from iseg_widget.explanation.panel import Panel

MARGIN = 0.3
GAP = 0.28
BAR = 0.45
"""Room for a colour bar and its numbers; kept beside all pictures, so that sizes agree."""

FEWEST = 4
"""Columns of a page whose groups are all small."""

TITLE, CAPTION = 8.5, 7.2
_LINE = {TITLE: 0.142, CAPTION: 0.119}
"""Sizes in points of a panel's words, and inches of a line of them."""

_LEGEND = 0.5
_TALLEST = 2.3
"""No picture of a panel is higher, in inches."""


@dataclass(frozen=True)
class Words:
    """Title and caption of a panel, broken into lines that fit its column."""

    title: str
    caption: str

    @property
    def title_height(self) -> float:
        """In inches, with the space below."""
        return _LINE[TITLE] * (self.title.count("\n") + 1) + 0.05

    @property
    def caption_height(self) -> float:
        """In inches."""
        return _LINE[CAPTION] * (self.caption.count("\n") + 1)


@dataclass(frozen=True)
class Cell:
    """Place of a panel: the top left corner of its title, the size of its picture, its words.

    ``caption_at`` is the distance from the top of the picture to that of the caption.
    """

    left: float
    top: float
    picture: tuple[float, float]
    words: Words
    caption_at: float


@dataclass(frozen=True)
class Place:
    """A rectangle."""

    left: float
    top: float
    width: float
    height: float


class Page:
    """A page that is filled from the top; its height is known when all has been placed."""

    def __init__(self, width: float, columns: int) -> None:
        self.width = width
        self.columns = columns
        self.column = (width - 2 * MARGIN - (columns - 1) * GAP) / columns
        self.cursor = MARGIN + 0.4
        self.headings: list[tuple[str, float]] = []
        self.overview = Place(MARGIN, self.cursor, 1.0, 1.0)

    @property
    def height(self) -> float:
        """In inches, of what has been placed."""
        return self.cursor + MARGIN - GAP / 2

    def up(self, top: float) -> float:
        """Share of the page's height that lies below ``top`` inches."""
        return 1.0 - top / self.height

    def band(self, panels: Sequence[Panel], aspect: float, height: float) -> list[Cell]:
        """Place the whole image and, to its right, a few panels; return these panels' cells."""
        inner = self.width - 2 * MARGIN
        width = min(height * aspect, 0.52 * inner)
        tall = width / aspect
        self.overview = Place(MARGIN, self.cursor, width, tall)
        left = MARGIN + width + 1.5 * GAP
        room = self.width - MARGIN - left
        column = min((room - GAP * (len(panels) - 1)) / max(1, len(panels)), 3.8)
        cells = self._row(panels, left, column, tallest=height)
        bottom = max((_bottom(cell) for cell in cells), default=0.0)
        self.cursor = max(self.cursor + tall + _LEGEND, bottom) + GAP
        return cells

    def heading(self, text: str) -> None:
        """Begin a group of panels."""
        self.headings.append((text, self.cursor))
        self.cursor += 0.3

    def rows(self, panels: Sequence[Panel]) -> list[Cell]:
        """Place the panels of a group in rows."""
        cells: list[Cell] = []
        for start in range(0, len(panels), self.columns):
            part = panels[start : start + self.columns]
            row = self._row(part, MARGIN, self.column, tallest=_TALLEST)
            cells += row
            self.cursor = max(_bottom(cell) for cell in row) + GAP
        return cells

    def _row(
        self, panels: Sequence[Panel], left: float, column: float, *, tallest: float
    ) -> list[Cell]:
        words = [
            Words(wrap(p.title, column, TITLE, bold=True), wrap(p.caption, column, CAPTION))
            for p in panels
        ]
        sizes = [_picture(p, column - BAR, tallest) for p in panels]
        # Pictures of a row begin on one line, and so do captions.
        most = max((w.title_height for w in words), default=0.0)
        below = max((size[1] for size in sizes), default=0.0) + 0.07
        return [
            Cell(
                left + index * (column + GAP),
                self.cursor + most - word.title_height,
                size,
                word,
                below,
            )
            for index, (word, size) in enumerate(zip(words, sizes, strict=True))
        ]


def _picture(panel: Panel, width: float, tallest: float) -> tuple[float, float]:
    """Width and height of a picture that fits, with the aspect it has in the image."""
    height = min(width / panel.aspect, tallest)
    # Very long or thin crops would vanish: they are shown a little thicker than they are.
    return max(height * panel.aspect, 0.2), max(height, 0.2)


def _bottom(cell: Cell) -> float:
    return cell.top + cell.words.title_height + cell.caption_at + cell.words.caption_height


def balanced(counts: Sequence[int], most: int) -> int:
    """Columns, at most ``most``, for groups of so many panels: as few as keep the rows few."""
    largest = max(counts, default=1)
    rows = -(-largest // most)
    return min(most, max(FEWEST, -(-largest // rows)))


@cache
def _length(text: str, size: float, *, bold: bool) -> float:
    """Width of a line in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=size, weight="bold" if bold else "normal")
    # Pieces between blanks are measured; a blank itself has no outline.
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72.0


def wrap(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """Break a text into lines no wider than ``width`` inches; longer words stay whole."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _length(longer, size, bold=bold) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)
