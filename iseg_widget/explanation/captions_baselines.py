"""Captions of RITM, of BRS and f-BRS, which bend it, and of iFCN."""

from __future__ import annotations

from iseg_widget.explanation.rows import Row, Table, maps

_INPUT, _CROP, _BENT = "Input", "Output", "Optimisation"
_RITM_INPUT: Table = (
    Row(
        "view/zoom_in",
        "Zoom-in",
        "What the network sees: the object with a margin, the whole image at the first click "
        "(published code; after f-BRS, Sec. 3).",
        "image",
        _INPUT,
        "zoom_in",
        "crop",
    ),
    Row(
        "previous_mask",
        "Previous prediction",
        "The last step's probability, fed back beside the clicks: RITM's mask guidance (Sec. 3).",
        "probability",
        _INPUT,
        "zoom_in",
    ),
    *maps(
        _INPUT,
        "zoom_in",
        "positive_clicks",
        "negative_clicks",
        "Disks of fixed radius at the {ink} clicks, an input channel",
        "RITM, Sec. 3",
    ),
)
_RITM_OUTPUT: Table = (
    Row(
        "straight_probability",
        "Image as it is",
        "The network's answer to the crop itself, first half of the average (published code).",
        "probability",
        _CROP,
        "zoom_in",
    ),
    Row(
        "mirrored_probability",
        "Image mirrored",
        "Its answer to the mirrored crop, mirrored back, second half (published code).",
        "probability",
        _CROP,
        "zoom_in",
    ),
    Row(
        "crop_probability",
        "Prediction",
        "The mean of the logits, squashed: what is pasted back into the image (published code).",
        "probability",
        _CROP,
        "zoom_in",
    ),
    Row(
        "change",
        "What the click changed",
        "Prediction less previous one: without a restriction like FocalClick's, changes may lie "
        "far from the click (RITM, Sec. 3).",
        "difference",
        _CROP,
        "zoom_in",
        "minus",
        of="crop_probability",
        minus="previous_mask",
    ),
)
RITM: Table = (*_RITM_INPUT, *_RITM_OUTPUT)
_LOSSES = Row(
    "losses",
    "Loss by evaluation",
    "What the clicks lack plus the penalty, at each evaluation of L-BFGS; the least one's "
    "prediction counts (f-BRS, Sec. 3).",
    "numbers",
    _BENT,
    form="numbers",
)
BRS: Table = (
    *_RITM_INPUT,
    _LOSSES,
    Row(
        "input_change",
        "Change of the input",
        "What backpropagation added to the input so that clicks get their label, mean of its "
        "channels (BRS; its RGB form is of f-BRS, Sec. 3).",
        "difference",
        _BENT,
        "zoom_in",
        "channels",
    ),
    *_RITM_OUTPUT,
)
F_BRS: Table = (
    *_RITM_INPUT,
    _LOSSES,
    Row(
        "scale",
        "Scale of each channel",
        "Factors by which features are multiplied so that clicks get their label; 1 changes "
        "nothing (f-BRS, Sec. 3).",
        "numbers",
        _BENT,
        form="numbers",
        baseline=1.0,
    ),
    Row(
        "bias",
        "Bias of each channel",
        "What is added to the same features; 0 changes nothing (f-BRS, Sec. 3).",
        "numbers",
        _BENT,
        form="numbers",
    ),
    *_RITM_OUTPUT,
)

_SIMPLE = "Network"
IFCN: Table = (
    *maps(
        _SIMPLE,
        "image",
        "positive_distance",
        "negative_distance",
        "Distance to the nearest {ink} click, an input channel",
        "iFCN, Sec. 3.1",
        "px",
    ),
    Row(
        "probability",
        "Prediction",
        "The network's answer to image and distance maps, at the size it saw (iFCN, Sec. 3).",
        "probability",
        _SIMPLE,
    ),
)
