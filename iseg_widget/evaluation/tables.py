"""A small table of text that prints in a terminal, shows in a notebook and goes into a paper."""

from __future__ import annotations

import csv
import html
import io
import textwrap
from dataclasses import dataclass

WIDTH = 100
"""Columns of a terminal that notes are wrapped to."""

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "†": r"\textdagger{}",
    **{letter: "\\" + letter for letter in "&%$#_{}"},
}


def escape_latex(text: str) -> str:
    """Return text that LaTeX prints as it is."""
    return "".join(_LATEX.get(letter, letter) for letter in text)


@dataclass(frozen=True)
class Table:
    """Rows of text under column names.

    Attributes
    ----------
    title: a line above.
    columns: names of the columns; ``()`` for a table without a head.
    rows: cells of every row, as many as there are columns.
    labels: how many leading columns are labels (set to the left); the others hold numbers.
    strong: numbers of rows that are to stand out.
    notes: lines below.

    Raises
    ------
    ValueError: a row has more or fewer cells than the others.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1
    strong: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for ragged rows."""
        counts = {len(row) for row in self.rows} | ({len(self.columns)} if self.columns else set())
        if len(counts) > 1:
            raise ValueError(f"rows of a table have one length, got {sorted(counts)}")

    def __str__(self) -> str:
        head = [self.columns] if self.columns else []
        cells = [*head, *self.rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [self._line(row, widths) for row in cells]
        if head:
            lines.insert(1, ("  " + "  ".join("-" * width for width in widths)).rstrip())
        return "\n".join([self.title, *lines, *self._wrapped_notes()])

    def _line(self, row: tuple[str, ...], widths: list[int]) -> str:
        padded = [
            cell.ljust(width) if number < self.labels else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return ("  " + "  ".join(padded)).rstrip()

    def _wrapped_notes(self) -> list[str]:
        return [
            textwrap.fill(
                note,
                WIDTH,
                initial_indent="  ",
                subsequent_indent="    ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            for note in self.notes
        ]

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """Return HTML; colours and fonts are those of the page."""
        head = "".join(
            self._cell(name, k, "th", strong=True) for k, name in enumerate(self.columns)
        )
        body = "".join(
            "<tr>"
            + "".join(
                self._cell(cell, k, "th" if k < self.labels else "td", strong=number in self.strong)
                for k, cell in enumerate(row)
            )
            + "</tr>"
            for number, row in enumerate(self.rows)
        )
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return (
            f"<p><b>{html.escape(self.title)}</b></p><table style='color:inherit'>"
            + (f"<thead><tr>{head}</tr></thead>" if head else "")
            + f"<tbody>{body}</tbody></table>"
            + (f"<ul style='font-size:90%'>{notes}</ul>" if notes else "")
        )

    def _cell(self, text: str, column: int, tag: str, *, strong: bool = False) -> str:
        side = "left" if column < self.labels else "right"
        weight = "bold" if strong else "normal"
        style = f"text-align:{side};padding:.15em .5em;font-weight:{weight}"
        inner = html.escape(text)
        return f"<{tag} style='{style}'>{inner}</{tag}>"

    def to_latex(self) -> str:
        """Return a ``tabular``; title and notes are comments above it. Needs no package."""
        count = len(self.columns) or (len(self.rows[0]) if self.rows else 0)
        lines = [f"% {line}" for text in (self.title, *self.notes) for line in text.splitlines()]
        sides = "l" * min(self.labels, count) + "r" * max(0, count - self.labels)
        lines += [f"\\begin{{tabular}}{{{sides}}}", "\\hline"]
        if self.columns:
            lines += [" & ".join(map(escape_latex, self.columns)) + " \\\\", "\\hline"]
        for number, row in enumerate(self.rows):
            cells = [escape_latex(cell) for cell in row]
            if number in self.strong:
                cells = [f"\\textbf{{{cell}}}" if cell else "" for cell in cells]
            lines.append(" & ".join(cells) + " \\\\")
        return "\n".join([*lines, "\\hline", "\\end{tabular}", ""])

    def to_csv(self) -> str:
        """Return the columns and rows as comma-separated text."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if self.columns:
            writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue()
