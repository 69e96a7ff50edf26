"""The minimum cut of an image's pixel grid (Boykov & Jolly, ICCV 2001), exact.

The energy of a labelling L, with 1 the object and 0 the background, is

``E(L) = sum_p D_p(L_p) + sum_{p, q neighbours} w_pq [L_p != L_q]``.

It is given by ``unary[p] = D_p(0) - D_p(1)``, what it costs that p is not object, and by the
weights of the links, ``w >= 0``. Both are rounded to fractions with a fixed denominator, because
the flow algorithm wants integers; the cut is the exact minimum of that rounded energy.

Most pixels need no flow. Take a set S of pixels whose unary terms all ask for object, each by more
than the weights of its links that leave S. Whatever the labels of the others, making all of S
object lowers the energy, so S is object in the minimum. The largest such set is found by taking
away, again and again, pixels that do not meet the condition; likewise for the background. Links to
settled pixels then become part of the unary terms of the others, which may settle these in turn.
What is left goes through SciPy's Dinic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Offset = tuple[int, int]
"""Rows and columns from a pixel to a neighbour."""

Integers = NDArray[np.int32]

FINEST = 2**12
"""Largest denominator of the energy's fractions."""

LARGEST_LINK = 2**26
"""As integer: all links of a pixel together stay below what is certain."""

CERTAIN = 2**30
"""Demand of a hard constraint; SciPy's numbers have 32 bits."""

WORTHWHILE = 0.2
"""Share of the free pixels that a round must settle for another to follow."""


def half_neighbourhood(neighbours: int) -> tuple[Offset, ...]:
    """Offsets to half of 4 or 8 neighbours; the other half is their mirror image."""
    if neighbours not in (4, 8):
        raise ValueError(f"neighbours must be 4 or 8, got {neighbours!r}")
    straight: tuple[Offset, ...] = ((0, 1), (1, 0))
    return straight if neighbours == 4 else (*straight, (1, 1), (1, -1))


def link_ends(offset: Offset) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of a grid: pixels that have a neighbour at ``offset``, and those neighbours.

    The offset's rows are not negative.
    """
    down, right = offset
    columns = slice(max(0, -right), -right if right > 0 else None)
    to_columns = slice(max(0, right), right if right < 0 else None)
    return (slice(0, -down or None), columns), (slice(down, None), to_columns)


@dataclass(frozen=True)
class Links:
    """Weights of all links between neighbours, as integers.

    Attributes
    ----------
    offsets: see :func:`half_neighbourhood`.
    weights: for every offset ``(H, W)`` int32: of the link from each pixel to its neighbour at
        that offset; 0 where there is none.
    denominator: what a unit of energy is in these integers.
    """

    offsets: tuple[Offset, ...]
    weights: tuple[Integers, ...]
    denominator: int

    @classmethod
    def rounded(cls, offsets: Sequence[Offset], weights: Sequence[NDArray[np.floating]]) -> Links:
        """Round weights ``(H, W)``, given as above but in units of energy.

        Raises ``ValueError`` for weights that are negative or not finite.
        """
        largest = 1.0
        for array in weights:
            low, high = float(array.min(initial=0.0)), float(array.max(initial=0.0))
            if not (low >= 0.0 and math.isfinite(high)):
                raise ValueError(f"weights must be finite and not negative, got {low} to {high}")
            largest = max(largest, high)
        denominator = int(min(FINEST, 2.0 ** math.floor(math.log2(LARGEST_LINK / largest))))
        if denominator < 1:
            raise ValueError(f"weights must not exceed {LARGEST_LINK}, got {largest}")
        whole = tuple(np.rint(array * float(denominator)).astype(np.int32) for array in weights)
        return cls(tuple(offsets), whole, denominator)

    @property
    def shape(self) -> tuple[int, int]:
        """``(H, W)`` of the grid."""
        return self.weights[0].shape[0], self.weights[0].shape[1]


def energy(unary: NDArray[np.floating], links: Links, mask: NDArray[np.bool_]) -> float:
    """Energy of a labelling ``(H, W)`` bool, less that of all background."""
    total = 0
    for offset, weights in zip(links.offsets, links.weights, strict=True):
        first, second = link_ends(offset)
        total += int(weights[first][mask[first] != mask[second]].sum(dtype=np.int64))
    return total / links.denominator - float(unary[mask].sum(dtype=np.float64))


def minimum_cut(
    unary: NDArray[np.floating], links: Links, fixed: NDArray[np.int8] | None = None
) -> NDArray[np.bool_]:
    """Labelling of least energy.

    Parameters
    ----------
    unary: ``(H, W)``; positive where object is the cheaper label.
    links: of the same grid.
    fixed: ``(H, W)`` int8: 1 and -1 are hard constraints (object, background), 0 is free.

    Returns
    -------
    ``(H, W)`` bool: of several minima, that with the smallest object.

    Raises
    ------
    ValueError: another shape, or a unary term that is NaN.
    """
    if unary.shape != links.shape or (fixed is not None and fixed.shape != links.shape):
        raise ValueError(f"unary terms {unary.shape} do not fit links {links.shape}")
    if np.isnan(unary).any():
        raise ValueError("unary terms hold NaN")
    demand = np.clip(np.rint(unary * float(links.denominator)), -CERTAIN, CERTAIN)
    if fixed is not None:
        demand = np.where(fixed == 0, demand, np.sign(fixed) * float(CERTAIN))
    grid = _Grid(demand.astype(np.int32), links)
    free = grid.count_free()
    while free:
        grid.settle(-1)
        grid.settle(1)
        before, free = free, grid.count_free()
        if free > (1 - WORTHWHILE) * before:
            grid.flow()
            break
    return grid.labels[1:-1, 1:-1] > 0


class _Grid:
    """Demands and labels (1, -1, or 0 while free) of a grid with a frame of one pixel around it.

    The frame is settled and has no links, so that neighbours need no tests.
    """

    def __init__(self, demand: Integers, links: Links) -> None:
        self.demand = np.pad(demand, 1)
        self.labels = np.pad(np.zeros(demand.shape, np.int8), 1, constant_values=-1)
        self.weights = tuple(np.pad(weights, 1) for weights in links.weights)
        self.offsets = links.offsets
        width = self.demand.shape[1]
        self.steps = tuple(down * width + right for down, right in links.offsets)

    def count_free(self) -> int:
        return self.labels.size - int(np.count_nonzero(self.labels))

    def linked(self, chosen: NDArray[np.bool_]) -> Integers:
        """For every pixel, the weights of its links to chosen pixels, summed."""
        total = np.zeros_like(self.demand)
        for offset, weights in zip(self.offsets, self.weights, strict=True):
            first, second = link_ends(offset)
            total[first] += weights[first] * chosen[second]
            total[second] += weights[first] * chosen[first]
        return total

    def settle(self, sign: Literal[-1, 1]) -> None:
        """Label with ``sign`` the largest set of free pixels that all ask for it, as told above.

        Equality settles for the background only, which gives the smallest object.
        """
        least = np.int32(0 if sign < 0 else 1)
        free = self.labels == 0
        member = free & (sign * self.demand >= least)
        slack = sign * self.demand - least - self.linked(free & ~member)
        flat_member, flat_slack = member.reshape(-1), slack.reshape(-1)
        leaving = np.flatnonzero(member & (slack < 0))
        while len(leaving):
            flat_member[leaving] = False
            touched = []
            for step, weights in zip(self.steps, self.weights, strict=True):
                flat = weights.reshape(-1)
                # The targets of one step differ from each other, so each is subtracted once.
                flat_slack[leaving + step] -= flat[leaving]
                flat_slack[leaving - step] -= flat[leaving - step]
                touched += [leaving + step, leaving - step]
            near = np.concatenate(touched)
            leaving = np.unique(near[flat_member[near] & (flat_slack[near] < 0)])
        self.labels[member] = sign
        self.demand += sign * self.linked(member)

    def flow(self) -> None:
        """Label what is still free by maximum flow: object is what the source still reaches."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import breadth_first_order, maximum_flow

        labels = self.labels.reshape(-1)
        pixels = np.flatnonzero(labels == 0)
        number = np.full(labels.size, -1, np.int32)
        number[pixels] = np.arange(len(pixels), dtype=np.int32)
        demand = self.demand.reshape(-1)[pixels]
        source, sink = len(pixels), len(pixels) + 1
        giving, taking = np.flatnonzero(demand > 0), np.flatnonzero(demand < 0)
        tails = [np.full(len(giving), source), taking]
        heads = [giving, np.full(len(taking), sink)]
        capacity = [demand[giving], -demand[taking]]
        for step, weights in zip(self.steps, self.weights, strict=True):
            weight = weights.reshape(-1)[pixels]
            linked = np.flatnonzero((number[pixels + step] >= 0) & (weight > 0))
            other = number[pixels[linked] + step]
            tails += [linked, other]
            heads += [other, linked]
            capacity += [weight[linked]] * 2
        ends = (np.concatenate(tails).astype(np.int32), np.concatenate(heads).astype(np.int32))
        graph = csr_array((np.concatenate(capacity), ends), shape=(sink + 1, sink + 1))
        # Differences of zero are dropped: a link without room left is no link.
        residual = csr_array(graph - maximum_flow(graph, source, sink).flow)
        residual.eliminate_zeros()
        reached = breadth_first_order(residual, source, return_predecessors=False)
        labels[pixels] = -1
        labels[pixels[reached[reached < source]]] = 1
