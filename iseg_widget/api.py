"""One call from clicks to a mask, for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iseg_widget.clicks import Click
from iseg_widget.methods.registry import load_method
from iseg_widget.protocol import Method
from iseg_widget.session import Session

if TYPE_CHECKING:
    import torch

    from iseg_widget.weights.registry import Weights

Point = tuple[float, float]


def _points(points: Iterable[Point], name: str, *, positive: bool) -> list[Click]:
    clicks = []
    for point in points:
        try:
            x, y = point
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} must be a list of (x, y) points, got {point!r}") from error
        clicks.append(Click(x, y, positive))
    return clicks


def segment(  # noqa: PLR0913 - all but three are keywords
    image: object,
    positive: Iterable[Point] = (),
    negative: Iterable[Point] = (),
    *,
    box: tuple[float, float, float, float] | None = None,
    method: str | Method = "focalclick",
    mask: ArrayLike | None = None,
    options: Mapping[str, Any] | object | None = None,
    weights: Weights = None,
    device: str | torch.device = "auto",
) -> NDArray[np.bool_]:
    """Segment one object.

    The clicks are given one after the other, as in the widget: the box first, then the positive,
    then the negative ones.

    Parameters
    ----------
    image: path, PIL image, or array (see :mod:`iseg_widget.images`).
    positive, negative: ``(x, y)`` points in pixels on the object and on the background.
    box: half-open ``(x0, y0, x1, y1)`` around the object; see :meth:`iseg_widget.Session.box`.
    method: a name or a loaded method; pass a loaded one when you call this often.
    mask: ``(H, W)`` existing mask that is to be corrected.
    options, weights, device: see :func:`iseg_widget.load_method`; for a method given by name.

    Returns
    -------
    ``(H, W)`` bool.

    Raises
    ------
    ValueError: neither click nor box, a click outside the image, or what the method refuses.

    Examples
    --------
    >>> import iseg_widget as iseg
    >>> sample = iseg.datasets.load("demo")[0]
    >>> mask = iseg.segment(sample.image, positive=[(250, 200)])
    >>> mask.shape == sample.image.shape[:2]
    True
    """
    clicks = _points(positive, "positive", positive=True)
    clicks += _points(negative, "negative", positive=False)
    if not clicks and box is None:
        raise ValueError("segment needs a box, or at least one positive or negative point")
    if isinstance(method, str):
        method = load_method(method, weights=weights, options=options, device=device)
    elif options is not None or weights is not None:
        raise ValueError("options and weights belong to a method given by name")
    session = Session(method, image, mask)
    if box is not None:
        session.box(*box)
    for click in clicks:
        session.click_many([click])
    return session.mask
