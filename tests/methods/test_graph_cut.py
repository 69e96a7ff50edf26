"""The minimum cut against all labellings of tiny grids, and the refinement by it."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iseg_widget.clicks import Click
from iseg_widget.methods import grid_cut
from iseg_widget.methods.graph_cut_refine import (
    GraphCut,
    constraints,
    contrast_links,
    contrast_variance,
    unary_terms,
)
from iseg_widget.methods.grid_cut import (
    CERTAIN,
    Links,
    energy,
    half_neighbourhood,
    link_ends,
    minimum_cut,
)


def random_links(rng, shape, neighbours, largest, whole):
    """Links of random weights, some of them missing."""
    offsets = half_neighbourhood(neighbours)
    weights = []
    for offset in offsets:
        array = np.zeros(shape)
        first, _ = link_ends(offset)
        drawn = largest * rng.random(array[first].shape) * (rng.random(array[first].shape) > 0.2)
        array[first] = np.rint(drawn) if whole else drawn
        weights.append(array)
    return Links.rounded(offsets, weights)


def energy_by_loops(unary, links, mask):
    """The definition, pixel by pixel."""
    height, width = mask.shape
    total = 0.0
    for row, column in np.ndindex(height, width):
        total -= unary[row, column] * mask[row, column]
        for (down, right), weights in zip(links.offsets, links.weights, strict=True):
            y, x = row + down, column + right
            if 0 <= y < height and 0 <= x < width and mask[row, column] != mask[y, x]:
                total += weights[row, column] / links.denominator
    return total


def best_of_all(unary, links, fixed):
    """Least energy and, of the labellings that have it, the smallest object."""
    found = []
    for values in itertools.product([False, True], repeat=unary.size):
        mask = np.array(values).reshape(unary.shape)
        if not (mask & (fixed < 0)).any() and not (~mask & (fixed > 0)).any():
            found.append((energy(unary, links, mask), int(mask.sum()), mask))
    return min(found, key=lambda item: item[:2])


grids = st.tuples(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(3, 4), (1, 1), (1, 9), (7, 1), (2, 5), (3, 3)]),
    st.sampled_from([4, 8]),
    st.sampled_from([0.0, 0.4, 1.5, 6.0]),
    st.booleans(),
    st.booleans(),
)


class TestMinimumCut:
    @settings(deadline=None, max_examples=60)
    @given(grids)
    def test_no_labelling_has_less_energy(self, case):
        seed, shape, neighbours, largest, whole, constrained = case
        rng = np.random.default_rng(seed)
        links = random_links(rng, shape, neighbours, largest, whole)
        unary = rng.normal(0, 2, shape)
        # Multiples of the denominator are not rounded, so that equality is exact.
        unary = np.rint(unary) if whole else np.rint(unary * 4096) / 4096
        fixed = rng.integers(-1, 2, shape) * (rng.random(shape) < 0.25) * constrained
        mask = minimum_cut(unary, links, fixed.astype(np.int8))
        least, smallest, expected = best_of_all(unary, links, fixed)
        assert energy(unary, links, mask) == pytest.approx(least, abs=1e-9)
        assert mask.sum() == smallest
        np.testing.assert_array_equal(mask, expected)

    @settings(deadline=None, max_examples=30)
    @given(grids)
    def test_the_flow_alone_finds_the_same(self, case):
        """Settling pixels beforehand is a shortcut and nothing else."""
        seed, _, neighbours, largest, whole, _ = case
        rng = np.random.default_rng(seed)
        links = random_links(rng, (9, 14), neighbours, largest, whole)
        unary = rng.normal(0, 3, (9, 14))
        mask = minimum_cut(unary, links)
        demand = np.rint(unary * links.denominator).astype(np.int32)
        grid = grid_cut._Grid(demand, links)
        grid.flow()
        np.testing.assert_array_equal(grid.labels[1:-1, 1:-1] > 0, mask)

    def test_confident_maps_need_no_flow(self, monkeypatch):
        rows, columns = np.indices((40, 50))
        unary = np.where((rows - 20) ** 2 + (columns - 25) ** 2 < 144, 9.0, -9.0)
        unary[20, 25] = -1.0  # a hole that its neighbours fill
        links = contrast_links(np.zeros((40, 50, 3), np.uint8), 1.0, 1.0)
        monkeypatch.setattr(grid_cut._Grid, "flow", lambda _: pytest.fail("not settled"))
        mask = minimum_cut(unary, links)
        assert mask[20, 25]
        assert mask.sum() == (unary > 0).sum() + 1

    @given(st.integers(0, 2**32 - 1), st.sampled_from([4, 8]))
    def test_the_energy_is_the_definitions(self, seed, neighbours):
        rng = np.random.default_rng(seed)
        shape = tuple(rng.integers(1, 6, 2))
        links = random_links(rng, shape, neighbours, 3.0, whole=False)
        unary, mask = rng.normal(size=shape), rng.random(shape) > 0.5
        assert energy(unary, links, mask) == pytest.approx(energy_by_loops(unary, links, mask))

    def test_hard_constraints_hold_against_everything(self):
        links = contrast_links(np.zeros((5, 5, 3), np.uint8), 900.0, 1.0)
        fixed = np.zeros((5, 5), np.int8)
        fixed[0, 0], fixed[4, 4] = 1, -1
        mask = minimum_cut(np.full((5, 5), -1e9), links, fixed)
        assert mask[0, 0]
        assert mask.sum() == 1
        mask = minimum_cut(np.full((5, 5), np.inf), links, fixed)
        assert not mask[4, 4]
        assert mask.sum() == 24

    def test_large_weights_stay_within_integers(self):
        links = Links.rounded(half_neighbourhood(8), [np.full((3, 3), 1e6)] * 4)
        assert 8 * max(int(w.max()) for w in links.weights) < CERTAIN
        unary = np.array([[3e6, 0, 0], [0, 0, 0], [0, 0, -1e6]])
        assert minimum_cut(unary, links).all()
        unary[0, 0] = 5e5
        assert not minimum_cut(unary, links).any()

    @pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf, 1e9])
    def test_bad_weights_are_refused(self, weight):
        with pytest.raises(ValueError, match="weights must"):
            Links.rounded(half_neighbourhood(4), [np.full((2, 2), weight)] * 2)

    def test_what_does_not_fit_is_refused(self):
        links = contrast_links(np.zeros((2, 3, 3), np.uint8), 1.0, 1.0)
        with pytest.raises(ValueError, match="fit"):
            minimum_cut(np.zeros((3, 2)), links)
        with pytest.raises(ValueError, match="NaN"):
            minimum_cut(np.full((2, 3), np.nan), links)
        with pytest.raises(ValueError, match="4 or 8, got 6"):
            half_neighbourhood(6)


def picture(shape=(60, 80), noise=6.0):
    """A bright disk on dark, the disk, and a blurred, shifted probability of it."""
    rows, columns = np.indices(shape)
    disk = (rows - 30) ** 2 + (columns - 40) ** 2 < 18**2
    rng = np.random.default_rng(0)
    grey = np.where(disk, 170, 80)[..., None] + rng.normal(0, noise, (*shape, 3))
    away = np.hypot(rows - 30, columns - 43) - 18
    probability = 1 / (1 + np.exp(away / 4))
    return np.clip(grey, 0, 255).astype(np.uint8), disk, probability.astype(np.float32)


class TestTerms:
    def test_the_pairwise_term_is_the_formula(self):
        rng = np.random.default_rng(0)
        image = rng.integers(0, 256, (4, 5, 3)).astype(np.uint8)
        links = contrast_links(image, 3.0, 2000.0)
        values = image.astype(float)
        for (down, right), weights in zip(links.offsets, links.weights, strict=True):
            for row, column in np.ndindex(4, 5):
                y, x = row + down, column + right
                expected = 0.0
                if 0 <= y < 4 and 0 <= x < 5:
                    squared = ((values[row, column] - values[y, x]) ** 2).sum()
                    expected = 3.0 * np.exp(-squared / 4000.0) / np.hypot(down, right)
                found = weights[row, column] / links.denominator
                assert found == pytest.approx(expected, abs=2 / links.denominator)

    @pytest.mark.parametrize(("neighbours", "count"), [(4, 31), (8, 31 + 24)])
    def test_sigma_is_the_mean_squared_difference(self, neighbours, count):
        rng = np.random.default_rng(1)
        image = rng.integers(0, 256, (4, 5, 3)).astype(np.uint8)
        total, links = 0.0, 0
        for offset in half_neighbourhood(neighbours):
            first, second = link_ends(offset)
            squared = (image[first].astype(float) - image[second]) ** 2
            total, links = total + squared.sum(), links + squared[..., 0].size
        assert links == count
        assert contrast_variance(image, neighbours) == pytest.approx(total / count)

    def test_a_flat_image_has_a_sigma(self):
        assert contrast_variance(np.zeros((3, 3, 3), np.uint8)) > 0
        assert contrast_variance(np.zeros((1, 1, 3), np.uint8)) > 0

    def test_unary_terms_are_zero_at_the_threshold(self):
        found = unary_terms(np.array([[0.0, 0.3, 0.5, 1.0]]), 0.3)
        assert found[0, 1] == pytest.approx(0.0, abs=1e-6)
        assert found[0, 2] == pytest.approx(np.log(0.7 / 0.3), rel=1e-5)
        assert np.isfinite(found).all()

    def test_clicks_become_constraints(self):
        clicks = [
            Click(0, 0),
            Click(3, 1, positive=False),
            Click(2, 2),
            Click(2, 2, positive=False),
        ]
        found = constraints(clicks, (4, 4))
        assert found[0, 0] == 1
        assert found[1, 3] == -1
        assert found[2, 2] == -1  # the later one
        assert np.count_nonzero(found) == 3
        coarse = constraints([*clicks, Click(1, 1, positive=False)], (4, 4), (2, 2))
        assert coarse.tolist() == [[0, -1], [0, -1]]


class TestRefinement:
    def test_the_outline_moves_to_the_contrast(self):
        image, disk, probability = picture()
        mask = GraphCut()(probability, image)
        before = np.count_nonzero((probability > 0.5) != disk)
        assert np.count_nonzero(mask != disk) < before / 4

    @pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
    def test_without_strength_it_is_thresholding(self, threshold):
        image, _, probability = picture()
        mask = GraphCut(strength=0.0, threshold=threshold)(probability, image)
        np.testing.assert_array_equal(mask, probability > threshold)

    @settings(deadline=None, max_examples=25)
    @given(st.integers(0, 2**32 - 1), st.floats(0.1, 20), st.sampled_from([4, 8]))
    def test_the_energy_is_never_above_that_of_thresholding(self, seed, strength, neighbours):
        rng = np.random.default_rng(seed)
        shape = tuple(rng.integers(1, 24, 2))
        image = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
        probability = rng.random(shape).astype(np.float32)
        refine = GraphCut(strength=strength, neighbours=neighbours)
        mask = refine(probability, image)
        unary, links = unary_terms(probability), refine.links(image)
        rounding = mask.size / links.denominator
        least = energy(unary, links, mask)
        assert least <= energy(unary, links, probability > 0.5) + rounding
        for _ in range(5):
            other = mask ^ (rng.random(shape) < 0.1)
            assert least <= energy(unary, links, other) + rounding

    @pytest.mark.parametrize("exact_pixels", [None, 1000, 100])
    def test_clicks_are_obeyed_on_every_level(self, exact_pixels):
        image, _, probability = picture()
        clicks = [Click(2, 2), Click(40, 30, positive=False), Click(41, 30), Click(79, 59)]
        mask = GraphCut(exact_pixels=exact_pixels)(probability, image, clicks)
        for click in clicks:
            assert mask[click.pixel] == click.positive

    def test_levels_find_what_the_exact_cut_finds(self):
        image, _, probability = picture()
        exact = GraphCut(exact_pixels=None)(probability, image)
        levels = GraphCut(exact_pixels=1200)(probability, image)
        np.testing.assert_array_equal(levels, exact)

    @pytest.mark.parametrize(("radius", "stays"), [(8, False), (10, False), (16, True), (20, True)])
    @pytest.mark.parametrize("exact_pixels", [None, 2000, 500])
    def test_the_levels_weigh_areas_against_outlines_alike(self, radius, stays, exact_pixels):
        """On a flat image a disk stays where its area outweighs its outline.

        A pixel of it weighs log(0.7 / 0.3) = 0.85, and of its outline about 2 (1 + 2 / sqrt 2) =
        4.8, so radii from about 2 * 4.8 / 0.85 = 11.4 stay.
        """
        rows, columns = np.indices((80, 80))
        disk = (rows - 40) ** 2 + (columns - 40) ** 2 < radius**2
        mask = GraphCut(strength=2.0, exact_pixels=exact_pixels)(
            np.where(disk, 0.7, 0.3), np.zeros((80, 80, 3), np.uint8)
        )
        assert mask.any() == stays

    @pytest.mark.parametrize("shape", [(1, 1), (1, 9), (200, 1), (2, 2), (3, 301)])
    @pytest.mark.parametrize("exact_pixels", [None, 1])
    def test_tiny_and_thin_images(self, shape, exact_pixels):
        image = np.zeros((*shape, 3), np.uint8)
        mask = GraphCut(exact_pixels=exact_pixels)(np.full(shape, 0.9), image)
        assert mask.shape == shape
        assert mask.all()

    def test_another_shape_is_refused(self):
        with pytest.raises(ValueError, match=r"\(3, 4\), the image \(4, 3\)"):
            GraphCut()(np.zeros((3, 4)), np.zeros((4, 3, 3), np.uint8))
