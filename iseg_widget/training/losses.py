"""Losses of the papers, on logits ``(N, 1, H, W)`` and masks of the same shape."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from iseg_widget.networks.ris_net import stretch

FOCAL_ALPHA = 0.5
FOCAL_GAMMA = 2.0
BOUNDARY_WEIGHT = 1.5
BOUNDARY_REDUCTION = 8
BOUNDARY_CHANGE = 0.1
CLICK_DISCOUNT = 0.8

AUXILIARY = 0.4
"""Weight of an auxiliary head's loss in the published code of RITM, FocalClick and IA-FPN."""


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


def click_discount_loss(
    global_logits: Tensor,
    local_logits: Tensor,
    boxes: Tensor,
    truth: Tensor,
    valid: Tensor,
    *,
    gamma: float = CLICK_DISCOUNT,
) -> Tensor:
    """RIS-Net's loss of one image (Sec. 3.3, Eq. 2).

    ``L_global + sum_t gamma^(t - 1) exp(-dL_t)``: ROIs are fused with the global prediction one
    after the other (Eq. 3, maximum), the one with the largest global error first, and dL_t is by
    how much the t-th lowers the loss of the fused prediction.

    The paper leaves open what dL_t is measured on, and what of it is learned from. Here losses are
    binary cross entropies; dL_t is that of the ROI's own pixels, before and after; and nothing is
    learned from the loss before, which would reward being wrong at first. As the text says, and
    Eq. 2 does not, ``gamma = 0`` leaves the global loss alone.

    Parameters
    ----------
    global_logits: ``(1, 1, H, W)`` at the size of the image.
    local_logits: ``(R, 1, 41, 41)``.
    boxes: ``(R, 4)`` whole numbers ``x0, y0, x1, y1``, half-open, in the image.
    truth: ``(1, 1, H, W)`` in 0..1.
    valid: ``(1, 1, H, W)``, 0 where the pixel is ignored.
    gamma: discount factor of later ROIs, 0..1.

    Returns
    -------
    Scalar.
    """
    total = masked_bce(global_logits, truth, valid)
    if gamma == 0.0:
        return total
    windows = [
        (..., slice(y0, y1), slice(x0, x1)) for x0, y0, x1, y1 in boxes.round().long().tolist()
    ]
    with torch.no_grad():
        error = (torch.sigmoid(global_logits.float()) - truth).abs() * valid
        errors = [float(error[window].sum()) for window in windows]
    fused = global_logits.float()
    order = sorted(range(len(windows)), key=lambda roi: -errors[roi])
    for turn, roi in enumerate(order):
        window = windows[roi]
        there = fused[window]
        local = stretch(local_logits[roi : roi + 1].float(), (there.shape[2], there.shape[3]))
        better = torch.maximum(there, local)
        before = masked_bce(there.detach(), truth[window], valid[window])
        after = masked_bce(better, truth[window], valid[window])
        total = total + gamma**turn * torch.exp(after - before)
        fused = fused.clone()
        fused[window] = better
    return total
