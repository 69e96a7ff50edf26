from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from iseg_widget.training.losses import (
    boundary_map,
    boundary_weights,
    click_discount_loss,
    click_weights,
    first_click_loss,
    general_click_loss,
    masked_bce,
    normalized_focal_loss,
)


@pytest.fixture
def sample() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits, truth, valid and weight of two samples."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 1, 6, 7, generator=generator)
    truth = (torch.rand(2, 1, 6, 7, generator=generator) > 0.6).float()
    valid = (torch.rand(2, 1, 6, 7, generator=generator) > 0.2).float()
    weight = 1 + torch.rand(2, 1, 6, 7, generator=generator)
    return logits, truth, valid, weight


def by_definition(
    logits: Tensor, truth: Tensor, valid: Tensor, weight: Tensor, alpha: float, gamma: float
) -> float:
    """RITM Sec. 3.3, pixel by pixel: focal factors divided by their mean over the sample."""
    losses = []
    for sample in range(len(logits)):
        pixels = []
        for z, t, v, w in zip(
            *(x[sample].double().ravel().tolist() for x in (logits, truth, valid, weight)),
            strict=True,
        ):
            if v:
                p = 1 / (1 + np.exp(-z))
                p_t = p if t else 1 - p
                pixels.append(((1 - p_t) ** gamma, -np.log(p_t), alpha if t else 1 - alpha, w))
        mean = sum(focal for focal, *_ in pixels) / len(pixels)
        total = sum(focal / mean * log * balance * w for focal, log, balance, w in pixels)
        losses.append(total / len(pixels))
    return float(np.mean(losses))


@pytest.mark.parametrize(("alpha", "gamma"), [(0.5, 2.0), (0.3, 1.0), (0.5, 0.0)])
def test_normalized_focal_loss_equals_its_definition(
    sample: tuple[Tensor, Tensor, Tensor, Tensor], alpha: float, gamma: float
):
    logits, truth, valid, weight = sample
    for factor in (None, weight):
        found = normalized_focal_loss(logits, truth, valid, factor, alpha=alpha, gamma=gamma)
        ones = torch.ones_like(weight) if factor is None else factor
        expected = by_definition(logits, truth, valid, ones, alpha, gamma)
        assert found.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("loss", [normalized_focal_loss, masked_bce])
def test_ignored_pixels_have_no_influence(
    sample: tuple[Tensor, Tensor, Tensor, Tensor], loss: object
):
    logits, truth, valid, _ = sample
    changed = torch.where(valid > 0, logits, -7 * logits)
    flipped = torch.where(valid > 0, truth, 1 - truth)
    assert callable(loss)
    torch.testing.assert_close(loss(changed, flipped, valid), loss(logits, truth, valid))
    logits.requires_grad_()
    loss(logits, truth, valid).backward()
    assert not logits.grad[valid == 0].any()
    assert logits.grad[valid == 1].abs().min() > 0


@pytest.mark.parametrize("loss", [normalized_focal_loss, masked_bce])
def test_a_sample_without_valid_pixels_costs_nothing(loss: object):
    zeros = torch.zeros(1, 1, 4, 4)
    assert callable(loss)
    assert loss(zeros + 3, zeros, zeros).item() == 0


def test_right_answers_cost_less_and_extremes_stay_finite():
    truth = torch.tensor([1.0, 0.0, 1.0, 0.0]).reshape(1, 1, 2, 2)
    valid = torch.ones_like(truth)
    right, wrong = (
        normalized_focal_loss((2 * truth - 1) * size, truth, valid) for size in (4.0, -4.0)
    )
    assert right < wrong
    for size in (100.0, -100.0):
        logits = ((2 * truth - 1) * size).requires_grad_()
        loss = normalized_focal_loss(logits, truth, valid)
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(logits.grad).all()


def test_normalisation_keeps_the_total_weight():
    """As all answers get better the focal factor fades, but the gradient does not with it."""
    truth = torch.ones(1, 1, 8, 8)
    gradients = []
    for confidence in (1.0, 3.0):
        logits = torch.full((1, 1, 8, 8), confidence, requires_grad=True)
        normalized_focal_loss(logits, truth, truth).backward()
        gradients.append(logits.grad.abs().sum().item())
    plain = [(1 - torch.sigmoid(torch.tensor(c))).item() for c in (1.0, 3.0)]
    assert gradients[1] / gradients[0] > (plain[1] / plain[0]) ** 2


class TestBoundaryMap:
    def test_constant_masks_have_no_boundary(self):
        assert not boundary_map(torch.zeros(1, 1, 64, 64)).any()
        assert not boundary_map(torch.ones(1, 1, 64, 64)).any()

    @pytest.mark.parametrize("edge", [20, 28, 32, 35])
    def test_band_along_an_edge(self, edge: int):
        truth = torch.zeros(1, 1, 64, 64)
        truth[..., :edge] = 1
        found = boundary_map(truth)
        assert set(found.unique().tolist()) <= {0.0, 1.0}
        columns = np.flatnonzero(found[0, 0].any(0).numpy())
        assert {edge - 1, edge} <= set(columns.tolist())
        assert columns.min() >= edge - 16
        assert columns.max() < edge + 16
        assert (found[0, 0] == found[0, 0, :1]).all()

    def test_thin_parts_are_boundary_throughout(self):
        truth = torch.zeros(1, 1, 64, 64)
        truth[..., 30:32] = 1
        assert boundary_map(truth)[..., 30:32].all()

    def test_weights_of_equation_2(self):
        boundary = torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2)
        assert boundary_weights(boundary).flatten().tolist() == [1.0, 1.5]


def test_masked_bce_is_the_mean_over_valid_pixels(sample: tuple[Tensor, Tensor, Tensor, Tensor]):
    logits, truth, valid, _ = sample
    p = torch.sigmoid(logits.double())
    per_pixel = -(truth * p.log() + (1 - truth) * (1 - p).log())
    expected = per_pixel[valid > 0].mean().item()
    assert masked_bce(logits, truth, valid).item() == pytest.approx(expected, rel=1e-5)


class TestClickLoss:
    """FCA-Net Eq. 2 to 7, pixel by pixel."""

    @staticmethod
    def psi(distance: float, tau: float) -> float:
        return 1 - min(distance, tau) / tau

    @staticmethod
    def entropy(z: float, y: float) -> float:
        x = 1 / (1 + np.exp(-z))
        return float(-(y * np.log(x) + (1 - y) * np.log(1 - x)))

    def test_weights_fall_from_beta_at_a_click_to_alpha_at_its_reach(self):
        weights = click_weights(torch.tensor([0.0, 25.0, 100.0, 255.0]), 100.0)
        torch.testing.assert_close(weights, torch.tensor([2.0, 1.7, 0.8, 0.8]))

    def test_general(self, sample: tuple[Tensor, Tensor, Tensor, Tensor]):
        logits, truth, valid, _ = sample
        distances = 12 * torch.rand(2, 2, 6, 7, generator=torch.Generator().manual_seed(1))
        losses = []
        for n, y, x in np.ndindex(2, 6, 7):
            if not valid[n, 0, y, x]:
                continue
            label = truth[n, 0, y, x].item()
            near = distances[n, 0 if label else 1, y, x].item()
            weight = 0.8 + self.psi(near, 7.0) * (2.0 - 0.8)
            losses.append(weight * self.entropy(logits[n, 0, y, x].item(), label))
        found = general_click_loss(logits, truth, valid, distances, 7.0)
        assert found.item() == pytest.approx(np.mean(losses), rel=1e-5)

    def test_first(self, sample: tuple[Tensor, Tensor, Tensor, Tensor]):
        logits, truth, valid, _ = sample
        distance = 12 * torch.rand(2, 1, 6, 7, generator=torch.Generator().manual_seed(1))
        losses = []
        for n, y, x in np.ndindex(2, 6, 7):
            if not valid[n, 0, y, x]:
                continue
            label = truth[n, 0, y, x].item()
            weight = 0.7 + self.psi(distance[n, 0, y, x].item(), 7.0) * (1.9 - 0.7) * label
            losses.append(weight * self.entropy(logits[n, 0, y, x].item(), label))
        found = first_click_loss(logits, truth, valid, distance, 7.0, (0.7, 1.9))
        assert found.item() == pytest.approx(np.mean(losses), rel=1e-5)


class TestClickDiscount:
    boxes = torch.tensor([[0, 0, 4, 4], [3, 2, 9, 8], [2, 2, 3, 3]])

    @pytest.fixture
    def image(self) -> tuple[Tensor, ...]:
        """Global logits, local logits, truth and valid."""
        generator = torch.Generator().manual_seed(1)
        logits = 2 * torch.randn(1, 1, 8, 9, generator=generator)
        local = 2 * torch.randn(3, 1, 1, 1, generator=generator).expand(3, 1, 41, 41)
        truth = (torch.rand(1, 1, 8, 9, generator=generator) > 0.5).float()
        valid = (torch.rand(1, 1, 8, 9, generator=generator) > 0.2).float()
        return logits, local.clone(), truth, valid

    def by_definition(
        self, logits: Tensor, local: Tensor, truth: Tensor, valid: Tensor, gamma: float
    ) -> float:
        """Sec. 3.3, step by step and pixel by pixel; local maps are constant."""
        z, y, v = (x[0, 0].double().numpy().copy() for x in (logits, truth, valid))

        def loss(x0: int, y0: int, x1: int, y1: int) -> float:
            values = [
                -np.log(1 / (1 + np.exp(-z[r, c] if y[r, c] else z[r, c])))
                for r in range(y0, y1)
                for c in range(x0, x1)
                if v[r, c]
            ]
            return float(np.sum(values) / max(1, len(values)))

        total = loss(0, 0, 9, 8)
        error = np.abs(1 / (1 + np.exp(-z)) - y) * v
        sums = [error[y0:y1, x0:x1].sum() for x0, y0, x1, y1 in self.boxes.tolist()]
        for turn, roi in enumerate(np.argsort(sums)[::-1]):
            x0, y0, x1, y1 = self.boxes[roi].tolist()
            before = loss(x0, y0, x1, y1)
            z[y0:y1, x0:x1] = np.maximum(z[y0:y1, x0:x1], float(local[roi, 0, 0, 0]))
            total += gamma**turn * np.exp(-(before - loss(x0, y0, x1, y1)))
        return total

    @pytest.mark.parametrize("gamma", [1.0, 0.8, 0.3])
    def test_it_equals_its_definition(self, image: tuple[Tensor, ...], gamma: float):
        logits, local, truth, valid = image
        found = click_discount_loss(logits, local, self.boxes, truth, valid, gamma=gamma)
        assert found.item() == pytest.approx(self.by_definition(*image, gamma), rel=1e-5)

    def test_the_published_discount_is_the_default(self, image: tuple[Tensor, ...]):
        logits, local, truth, valid = image
        found = click_discount_loss(logits, local, self.boxes, truth, valid)
        assert found.item() == pytest.approx(self.by_definition(*image, 0.8), rel=1e-5)

    def test_without_discount_factor_or_rois_the_global_loss_is_left(
        self, image: tuple[Tensor, ...]
    ):
        logits, local, truth, valid = image
        expected = masked_bce(logits, truth, valid)
        for rois, gamma in ((3, 0.0), (0, 0.8)):
            found = click_discount_loss(
                logits, local[:rois], self.boxes[:rois], truth, valid, gamma=gamma
            )
            torch.testing.assert_close(found, expected)

    def test_the_order_of_rois_does_not_matter(self, image: tuple[Tensor, ...]):
        logits, local, truth, valid = image
        turned = torch.tensor([2, 0, 1])
        torch.testing.assert_close(
            click_discount_loss(logits, local[turned], self.boxes[turned], truth, valid),
            click_discount_loss(logits, local, self.boxes, truth, valid),
        )

    def test_gradients_improve_both_predictions(self, image: tuple[Tensor, ...]):
        logits, local, truth, valid = image
        logits.requires_grad_()
        local.requires_grad_()
        loss = click_discount_loss(logits, local, self.boxes, truth, valid)
        loss.backward()
        assert logits.grad is not None
        assert local.grad is not None
        # Nothing is learned from being wrong before: global gradients point at the truth.
        wrong_way = (logits.grad * (2 * truth - 1) * valid) > 0
        assert not wrong_way.any()
        assert logits.grad[valid > 0].abs().min() > 0
        with torch.no_grad():
            better = click_discount_loss(
                logits - 0.1 * logits.grad, local - 0.1 * local.grad, self.boxes, truth, valid
            )
        assert better < loss
