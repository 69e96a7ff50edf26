"""Outlines as GeoJSON features (RFC 7946), in pixels or through an affine transform."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from iseg_widget.export.labelled import LabelledImage
from iseg_widget.outlines import Ring, polygons, signed_area


class Affine(NamedTuple):
    """``x' = a x + b y + c``, ``y' = d x + e y + f``, in the order that rasterio uses.

    ``x, y`` are in pixels from the image's top-left corner.
    """

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float


IDENTITY = Affine(1, 0, 0, 0, 1, 0)


def to_geojson(
    image: LabelledImage, *, transform: Affine = IDENTITY, tolerance: float = 0.0
) -> dict[str, Any]:
    """Return a feature collection: a MultiPolygon with its holes for each object.

    Parameters
    ----------
    transform: from pixels to the coordinates wanted, e.g. a raster's.
    tolerance: pixels that outlines may stray to have fewer corners; 0 is exact.

    Raises
    ------
    ValueError: the transform cannot be inverted.
    """
    place = Affine(*transform)
    if place.a * place.e - place.b * place.d == 0:
        raise ValueError(f"the transform {tuple(place)} maps the image to a line or a point")
    features = []
    for number, item in enumerate(image.objects):
        found = [
            [_ring(p.outer, place, outer=True), *(_ring(h, place, outer=False) for h in p.holes)]
            for p in polygons(item.mask, tolerance=tolerance)
        ]
        features.append(
            {
                "type": "Feature",
                "id": number,
                "properties": {"label": item.label, "name": item.name, "image": image.file_name},
                "geometry": {"type": "MultiPolygon", "coordinates": found},
            }
        )
    return {"type": "FeatureCollection", "features": features}


def _ring(ring: Ring, place: Affine, *, outer: bool) -> list[list[float]]:
    """Return a closed ring, outer ones counterclockwise as the standard asks (y upwards)."""
    x, y = ring[:, 0], ring[:, 1]
    moved = np.stack(
        [place.a * x + place.b * y + place.c, place.d * x + place.e * y + place.f], axis=1
    )
    if (signed_area(moved) > 0) != outer:
        moved = moved[::-1]
    return [*moved.tolist(), moved[0].tolist()]
