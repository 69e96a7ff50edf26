from __future__ import annotations

import numpy as np
import pytest

from iseg_widget.datasets import BaseDataset, Dataset, MemoryDataset, Sample

IMAGE = np.zeros((4, 6, 3), np.uint8)
MASK = np.zeros((4, 6), bool)
MASK[1, 2] = True


def test_a_dataset_is_indexed_like_a_sequence():
    dataset = MemoryDataset([Sample("a", IMAGE, MASK), Sample("b", IMAGE, MASK)], name="two")
    assert isinstance(dataset, Dataset)
    assert dataset.names == ("a", "b")
    assert [sample.name for sample in dataset] == ["a", "b"]
    assert dataset[-1].name == "b"
    assert repr(dataset) == "<MemoryDataset 'two': 2 objects>"
    for index in (2, -3):
        with pytest.raises(IndexError, match=f"two has 2 samples, there is no index {index}"):
            dataset[index]


def test_names_are_unique():
    with pytest.raises(ValueError, match="two samples are called 'a'"):
        MemoryDataset([Sample("a", IMAGE, MASK)] * 2)


def test_names_need_no_decoding():
    class Lazy(BaseDataset):
        name = "lazy"

        @property
        def names(self) -> tuple[str, ...]:
            return ("a", "b")

        def _read(self, index: int) -> Sample:
            raise AssertionError(f"sample {index} was decoded")

    dataset = Lazy()
    assert len(dataset) == 2
    iter(dataset)
    with pytest.raises(AssertionError, match="sample 1"):
        dataset[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image": IMAGE[..., 0]}, r"sample 'a': the image must be \(H, W, 3\) uint8"),
        ({"image": IMAGE.astype(float)}, "uint8, got"),
        ({"mask": MASK.T}, r"mask has shape \(6, 4\), the image \(4, 6\)"),
        ({"mask": MASK.astype(np.uint8)}, "mask must be bool, got uint8"),
        ({"ignore": MASK[:2]}, "ignore has shape"),
        ({"initial_mask": MASK.astype(float)}, "initial_mask must be bool"),
        ({"mask": np.zeros_like(MASK)}, "sample 'a': the mask is empty"),
        ({"ignore": MASK}, "the mask is empty"),
    ],
)
def test_a_sample_that_does_not_fit_is_refused_by_name(
    arguments: dict[str, np.ndarray], message: str
):
    with pytest.raises(ValueError, match=message):
        Sample(**{"name": "a", "image": IMAGE, "mask": MASK, **arguments})  # type: ignore[arg-type]
