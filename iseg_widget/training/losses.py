"""Losses of the papers, on logits ``(N, 1, H, W)`` and masks of the same shape."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FOCAL_ALPHA = 0.5
FOCAL_GAMMA = 2.0
BOUNDARY_WEIGHT = 1.5
BOUNDARY_REDUCTION = 8
BOUNDARY_CHANGE = 0.1


def normalized_focal_loss(
    logits: Tensor,
    truth: Tensor,
    valid: Tensor,
    weight: Tensor | None = None,
    *,
    alpha: float = FOCAL_ALPHA,
    gamma: float = FOCAL_GAMMA,
) -> Tensor:
    """Normalized focal loss (RITM Sec. 3.3; FocalClick's L_nfl).

    The focal factor ``(1 - p_t)^gamma`` is divided by its mean over the valid pixels of the
    sample, with no gradient through the divisor, so the total weight does not fade as training
    goes on.

    Parameters
    ----------
    logits: ``(N, 1, H, W)``.
    truth: ``(N, 1, H, W)`` in 0..1.
    valid: ``(N, 1, H, W)``, 0 where the pixel is ignored.
    weight: ``(N, 1, H, W)`` factor of each pixel's loss, e.g. from :func:`boundary_weights`.
    alpha: balance of object against background.
    gamma: focusing exponent.

    Returns
    -------
    Scalar: mean over samples of the mean over valid pixels.
    """
    logits = logits.float()
    positive = (truth > 0.5).float()
    log_p_t = -F.binary_cross_entropy_with_logits(logits, positive, reduction="none")
    focal = (1.0 - log_p_t.exp()).clamp(min=0.0) ** gamma
    count = valid.sum(dim=(1, 2, 3)).clamp(min=1.0)
    with torch.no_grad():
        total = (focal * valid).sum(dim=(1, 2, 3))
        scale = count / (total + 1e-6)
    balance = alpha * positive + (1.0 - alpha) * (1.0 - positive)
    loss = -balance * focal * log_p_t * valid * scale[:, None, None, None]
    if weight is not None:
        loss = loss * weight
    return (loss.sum(dim=(1, 2, 3)) / count).mean()


def boundary_map(truth: Tensor, reduction: int = BOUNDARY_REDUCTION) -> Tensor:
    """Supervision of the boundary map M_b (FocalClick Sec. 3.1 "Training supervision").

    The mask is reduced ``reduction`` times and resized back; pixels that changed by more than
    :data:`BOUNDARY_CHANGE` are 1. The paper gives no threshold for "changed".
    """
    size = (truth.shape[2], truth.shape[3])
    small = F.interpolate(truth, size=(size[0] // reduction, size[1] // reduction), mode="area")
    back = F.interpolate(small, size=size, mode="bilinear", align_corners=False)
    return ((back - truth).abs() > BOUNDARY_CHANGE).float()


def boundary_weights(boundary: Tensor, factor: float = BOUNDARY_WEIGHT) -> Tensor:
    """Pixel weights of L_bnfl: ``factor`` on the boundary, 1 elsewhere (Eq. 2)."""
    return 1.0 + (factor - 1.0) * boundary


def masked_bce(logits: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Binary cross entropy over the valid pixels, a scalar."""
    loss = F.binary_cross_entropy_with_logits(logits.float(), truth, reduction="none")
    return (loss * valid).sum() / valid.sum().clamp(min=1.0)


@torch.no_grad()
def batch_iou(logits: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean IoU over the batch of ``logits > 0`` and ``truth``, each ``(N, 1, H, W)``."""
    prediction = (logits > 0).float() * valid
    truth = truth * valid
    intersection = (prediction * truth).sum(dim=(1, 2, 3))
    union = ((prediction + truth) > 0).float().sum(dim=(1, 2, 3))
    return ((intersection + 1e-6) / (union + 1e-6)).mean()


CLICK_RANGE = 100.0
"""Influence range tau of a click in pixels of FCA-Net's 512-pixel crops (Sec. 3.2)."""

CLICK_WEIGHTS = (0.8, 2.0)
"""alpha and beta of FCA-Net's click loss (Sec. 3.2)."""


def click_weights(
    distance: Tensor, reach: float, limits: tuple[float, float] = CLICK_WEIGHTS
) -> Tensor:
    """Pixel weights of FCA-Net's click loss (Eq. 3, 5 and 7).

    ``alpha + psi (beta - alpha)`` with ``psi = 1 - min(distance, reach) / reach``: ``beta`` at a
    click, ``alpha`` from ``reach`` on.

    Parameters
    ----------
    distance: to the nearest click that counts for the pixel, any shape.
    reach: tau, in the same unit.
    limits: alpha and beta.
    """
    alpha, beta = limits
    psi = 1.0 - distance.clamp(max=reach) / reach
    return alpha + psi * (beta - alpha)


def general_click_loss(
    logits: Tensor,
    truth: Tensor,
    valid: Tensor,
    distances: Tensor,
    reach: float,
    limits: tuple[float, float] = CLICK_WEIGHTS,
) -> Tensor:
    """General click loss L_g of FCA-Net (Eq. 4 and 5), a scalar.

    Parameters
    ----------
    logits, truth, valid: ``(N, 1, H, W)``.
    distances: ``(N, 2, H, W)`` to the nearest positive and the nearest negative click; pixels of
        the object are weighted by the former, others by the latter.
    reach, limits: see :func:`click_weights`.
    """
    nearest = torch.where(truth > 0.5, distances[:, :1], distances[:, 1:])
    return _weighted_bce(logits, truth, valid, click_weights(nearest, reach, limits))


def first_click_loss(
    logits: Tensor,
    truth: Tensor,
    valid: Tensor,
    distance: Tensor,
    reach: float,
    limits: tuple[float, float] = CLICK_WEIGHTS,
) -> Tensor:
    """First click loss L_f of FCA-Net (Eq. 6 and 7), a scalar.

    As :func:`general_click_loss` with ``distance`` ``(N, 1, H, W)`` to the first click; pixels off
    the object weigh alpha.
    """
    alpha = limits[0]
    weights = alpha + (click_weights(distance, reach, limits) - alpha) * (truth > 0.5)
    return _weighted_bce(logits, truth, valid, weights)


def _weighted_bce(logits: Tensor, truth: Tensor, valid: Tensor, weights: Tensor) -> Tensor:
    loss = F.binary_cross_entropy_with_logits(logits.float(), truth, reduction="none")
    return (loss * weights * valid).sum() / valid.sum().clamp(min=1.0)
