"""Captions of FocalClick and FocusCut, which look at parts of the image."""

from __future__ import annotations

from iseg_widget.explanation.rows import ANSWER, Row, Table, maps

_TARGET, _FOCUS = "Target crop: coarse segmentation", "Focus crop: refinement"
FOCALCLICK: Table = (
    Row(
        "view/target_crop",
        "Target crop",
        "The box of the previous mask and the new click, enlarged by r_TC: all that the Segmentor "
        "sees (Sec. 3.1, Fig. 3).",
        "image",
        _TARGET,
        "target_crop",
        "crop",
    ),
    Row(
        "previous_mask",
        "Previous prediction",
        "What the last step said of the target crop, fed back as an input (Sec. 3.1, Fig. 3).",
        "probability",
        _TARGET,
        "target_crop",
    ),
    *maps(
        _TARGET,
        "target_crop",
        "positive_clicks",
        "negative_clicks",
        "Disks at the {ink} clicks, an input of the Segmentor",
        "Fig. 3",
    ),
    Row(
        "coarse",
        "Coarse prediction",
        "The Segmentor's answer to the target crop, on its own small grid (Sec. 3.1).",
        "probability",
        _TARGET,
        "target_crop",
    ),
    Row(
        "change",
        "What the click changed",
        "Coarse less previous prediction: the connected change under the click tells where to "
        "focus (Sec. 3.1, Focus crop).",
        "difference",
        _TARGET,
        "target_crop",
        "minus",
        of="coarse",
        minus="previous_mask",
    ),
    Row(
        "view/focus_crop",
        "Focus crop",
        "The region that changed under the click, enlarged by r_FC: what the Refiner sees, taken "
        "from the full image (Sec. 3.1, Fig. 3).",
        "image",
        _FOCUS,
        "focus_crop",
        "crop",
    ),
    Row(
        "focus_coarse",
        "Coarse, in the focus crop",
        "M_l of Eq. 1: the coarse prediction, cut out by RoIAlign.",
        "probability",
        _FOCUS,
        "focus_crop",
    ),
    Row(
        "detail",
        "Detail map",
        "M_d of Eq. 1: what the Refiner itself predicts in the focus crop.",
        "probability",
        _FOCUS,
        "focus_crop",
    ),
    Row(
        "boundary",
        "Boundary map",
        "M_b of Eq. 1: where it is high the detail map counts, elsewhere the coarse prediction.",
        "boundary",
        _FOCUS,
        "focus_crop",
    ),
    Row(
        "refined",
        "Refined prediction",
        "Detail and coarse prediction, mixed by the boundary map (Eq. 1); pasted over the coarse "
        "one.",
        "probability",
        _FOCUS,
        "focus_crop",
    ),
    Row(
        "refinement",
        "What the Refiner changed",
        "Refined less coarse prediction: by Eq. 1 changes stay near the boundary (as in Fig. 4).",
        "difference",
        _FOCUS,
        "focus_crop",
        "minus",
        of="refined",
        minus="focus_coarse",
    ),
)

_GLOBAL, _SCOPE, _TURN = "Global view", "Focus scope", "Turn {turn} of the focus views"
FOCUSCUT: Table = (
    Row(
        "view/zoom_in",
        "Whole view",
        "The target with a margin, cut from the image: the global view of the pipeline (Sec. 3.2, "
        "Fig. 2, top).",
        "image",
        _GLOBAL,
        "zoom_in",
        "crop",
    ),
    Row(
        "previous_mask",
        "Previous mask",
        "The mask before this click, the sixth input channel (Sec. 3.1, Fig. 2).",
        "mask",
        _GLOBAL,
        "zoom_in",
    ),
    *maps(
        _GLOBAL,
        "zoom_in",
        "positive_clicks",
        "negative_clicks",
        "Gaussians at the {ink} clicks, an input channel",
        "Sec. 3.1, Fig. 2",
    ),
    Row(
        "whole_view",
        "Global prediction",
        "The network's answer to the global view, before any focus view (Sec. 3.2).",
        "probability",
        _GLOBAL,
        "zoom_in",
    ),
    Row(
        "focus_scope",
        "Focus scope",
        "How far the click reaches: a square of radius r about each new click; grey where the "
        "change is too large to focus (Sec. 3.4, Alg. 2).",
        "image",
        _SCOPE,
        form="scope",
    ),
    Row(
        "focus_boxes_#",
        "Where turn {turn} looks",
        "One square about each focused click, omega r on either side, scaled after every turn "
        "(Sec. 3.5, Alg. 3).",
        "image",
        _SCOPE,
        form="boxes",
    ),
    Row(
        "focus_views_reused",
        "Focus views reused, computed",
        "Focus views with the same input as in the last step keep their answer: {first} reused, "
        "{second} computed (not in the paper; it saves time and changes nothing).",
        "numbers",
        _SCOPE,
        form="numbers",
    ),
    Row(
        "refinement",
        "What focusing changed",
        "Final less global prediction: what the focus views wrote into the global view (Fig. 2).",
        "difference",
        _SCOPE,
        "zoom_in",
        "minus",
        of="step.probability",
        minus="whole_view",
    ),
    Row(
        "focus_inputs_#",
        "Focus view {n}",
        "The patch that the same network sees in turn {turn} (Sec. 3.2, Fig. 2, bottom).",
        "image",
        _TURN,
        "focus_view",
        "input",
    ),
    Row(
        "focus_probabilities_#",
        "Local prediction {n}",
        "The answer to focus view {n} in turn {turn} (Sec. 3.2).",
        "probability",
        _TURN,
        "focus_view",
        "stack",
    ),
    Row(
        "focus_change_#",
        "Change by view {n}",
        "Local prediction less the mask fed with it: how far it reaches sets the next turn's scope "
        "(Sec. 3.5, Alg. 3).",
        "difference",
        _TURN,
        "focus_view",
        "minus",
        of="focus_probabilities_#",
        minus="focus_inputs_#",
    ),
    Row(
        "probability",
        "Probability",
        "The global prediction with the focus views' predictions written in, their mean where they "
        "meet (Fig. 2, last step).",
        "probability",
        ANSWER,
    ),
)
