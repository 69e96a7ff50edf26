"""What the widget's groups of commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iseg_widget.widget.desk import Desk


class Acting:
    """A part of the widget's Python interface; the widget inherits from all of them."""

    _desk: Desk

    if TYPE_CHECKING:  # the widget itself has them

        def _do(self, action: object) -> Any:
            """Enqueue an action and, outside of callbacks, wait for the outcome."""

        def _wait(self) -> None:
            """Wait until everything is answered, outside of callbacks."""
