"""Captions of FCA-Net, RIS-Net and IA-FPN, which treat clicks inside their networks."""

from __future__ import annotations

from iseg_widget.explanation.rows import Row, Table, maps

_INPUT, _OUTPUT = "Input", "Output"
FCA_NET: Table = (
    *maps(
        _INPUT,
        "image",
        "positive_clicks",
        "negative_clicks",
        "Gaussians at the {ink} clicks, an input of the basic network",
        "Sec. 3.1, Fig. 2",
    ),
    Row(
        "first_click",
        "First click",
        "A wider Gaussian at the first positive click alone, the input of the first click "
        "attention module (Sec. 3.1, Fig. 2).",
        "map",
        _INPUT,
        ink="positive",
    ),
    Row(
        "first_click_probability",
        "First click attention",
        "What the attention module's features F_FCA alone say, by the head that the click loss "
        "trains (Sec. 3.1, 3.2).",
        "probability",
        _OUTPUT,
    ),
    Row(
        "probability",
        "Prediction",
        "The network's answer to image, clicks and first click, at the size it saw (Sec. 3.1).",
        "probability",
        _OUTPUT,
    ),
    Row(
        "removed",
        "Removed regions",
        "Regions above the threshold that hold no positive click: the structural integrity "
        "strategy drops them (Sec. 3.3, Eq. 8).",
        "mask",
        _OUTPUT,
    ),
)

_BRANCH, _LOCAL, _FUSED = "Global branch", "Local branch", "Fusion and graph cut"
RIS_NET: Table = (
    *maps(
        _BRANCH,
        "image",
        "positive_distances",
        "negative_distances",
        "Distance to the nearest {ink} click, an input channel",
        "Sec. 3.1, Eq. 1",
        "px",
    ),
    Row(
        "global_probability",
        "Global prediction",
        "What the global branch says of the whole image (Sec. 3.1, Fig. 2).",
        "probability",
        _BRANCH,
    ),
    Row(
        "roi_boxes",
        "Regions of interest",
        "Squares that positive clicks span with their nearest negative clicks, or the whole image "
        "without such a pair (Sec. 3.2.1).",
        "image",
        _LOCAL,
        form="boxes",
    ),
    Row(
        "local_probabilities",
        "Local prediction {n}",
        "What the local branch says of region {n}, beside the context of the whole image "
        "(Sec. 3.2.2).",
        "probability",
        _LOCAL,
        "roi",
        "crops",
    ),
    Row(
        "fused_probability",
        "Fused prediction",
        "Global and local predictions joined, by default the largest that a pixel has (Sec. 3.4, "
        "Eq. 3).",
        "probability",
        _FUSED,
    ),
    Row(
        "local_gain",
        "What regions added",
        "Fused less global prediction: what the local branch changed (Sec. 3.4).",
        "difference",
        _FUSED,
        form="minus",
        of="fused_probability",
        minus="global_probability",
    ),
    Row(
        "before_graph_cut",
        "Before the graph cut",
        "The fused prediction above the threshold (Sec. 3).",
        "mask",
        _FUSED,
    ),
    Row(
        "cut_change",
        "What the graph cut changed",
        "Mask less the one before the graph cut, which moves the outline to edges of the image and "
        "keeps clicks right (Sec. 3); with an earlier mask the merge is in it too.",
        "difference",
        _FUSED,
        form="minus",
        of="step.mask",
        minus="before_graph_cut",
    ),
)


def _network(which: str, where: str, group: str, previous: str) -> Table:
    """Rows of one of IA-FPN's two networks."""
    title, fed = previous.split("|")
    return (
        Row(
            f"{which}_previous_probability",
            title,
            fed,
            "probability",
            group,
            where,
        ),
        *maps(
            group,
            where,
            f"{which}_positive_clicks",
            f"{which}_negative_clicks",
            f"Disks at the {{ink}} clicks, an input of the {which} network",
            "Sec. 3.2, Fig. 2",
        ),
        Row(
            f"{which}_sgm_attention",
            "SGM, click {n} of {count}",
            "Attention of every place to click {n} of those in view, of all low-resolution "
            "features (Eq. 5, 6); the shares of all clicks add up to 1.",
            "attention",
            group,
            where,
            "stack",
        ),
        Row(
            f"{which}_hsgm_attention",
            "HSGM, click {n} of {count}",
            "The same in the high-resolution features: who passes messages where the outline is "
            "drawn (Eq. 7).",
            "attention",
            group,
            where,
            "stack",
        ),
    )


_COARSE, _FINE = "Coarse network: the user's intention", "Fine network: the outline"
IA_FPN: Table = (
    *_network(
        "coarse",
        "image",
        _COARSE,
        "Previous prediction|P^(t-1): the last step's answer, fed back (Sec. 3.2, Eq. 2).",
    ),
    Row(
        "coarse_probability",
        "Coarse prediction",
        "The coarse network's answer to the whole image: what the user means (Sec. 3.2, Eq. 2).",
        "probability",
        _COARSE,
    ),
    Row(
        "intention",
        "What the click changed",
        "Coarse less previous prediction: how this click moved the intention (Sec. 3.2).",
        "difference",
        _COARSE,
        form="minus",
        of="coarse_probability",
        minus="coarse_previous_probability",
    ),
    Row(
        "view/zoom_in",
        "Zoom-in",
        "The box of the coarse foreground with a margin, wider for smaller objects: what the fine "
        "network sees (Sec. 3.2, Eq. 3).",
        "image",
        _FINE,
        "zoom_in",
        "crop",
    ),
    *_network(
        "fine",
        "zoom_in",
        _FINE,
        "Coarse, in the crop|The coarse prediction takes the previous one's place (Eq. 4).",
    ),
    Row(
        "fine_probability",
        "Fine prediction",
        "The fine network's answer to the crop; pasted back, 0 elsewhere (Sec. 3.2, Eq. 4).",
        "probability",
        _FINE,
        "zoom_in",
    ),
    Row(
        "refinement",
        "Fine less coarse",
        "What the fine network changed of the coarse prediction (Fig. 6b).",
        "difference",
        _FINE,
        "zoom_in",
        "minus",
        of="fine_probability",
        minus="fine_previous_probability",
    ),
)
