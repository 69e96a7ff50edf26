from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from iseg_widget.images import Pyramid, pyramid_of, read_image, to_rgb
from iseg_widget.views import cut, resize

EXIF_ORIENTATION = 0x0112


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    """A 6 x 9 picture in which every pixel has its own colour."""
    rows, columns = np.indices((6, 9))
    return np.stack([rows * 40, columns * 28, 255 - rows * 20 - columns * 10], 2).astype(np.uint8)


def same(first: NDArray[Any], second: NDArray[Any]) -> bool:
    assert first.dtype == np.uint8
    assert first.ndim == 3
    assert first.shape[2] == 3
    return first.shape == second.shape and bool((first == second).all())


class TestSources:
    def test_path_pil_and_array_are_the_same(self, pixels: NDArray[np.uint8], tmp_path: Path):
        path = tmp_path / "image.png"
        Image.fromarray(pixels).save(path)
        for source in (path, str(path), Image.open(path), Image.fromarray(pixels), pixels):
            assert same(read_image(source), pixels)

    def test_file_is_closed(self, pixels: NDArray[np.uint8], tmp_path: Path):
        """An open file would raise a ResourceWarning, which is an error here."""
        path = tmp_path / "image.bmp"
        Image.fromarray(pixels).save(path)
        read_image(path)
        path.unlink()

    @pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp"])
    def test_lossless_formats(self, suffix: str, pixels: NDArray[np.uint8], tmp_path: Path):
        path = tmp_path / f"image.{suffix}"
        Image.fromarray(pixels).save(path, lossless=True)
        assert same(read_image(path), pixels)

    @pytest.mark.parametrize("source", [None, 3, b"image.png", [[1, 2], [3, 4]]])
    def test_other_sources(self, source: object):
        with pytest.raises(TypeError, match="accepted are a path, a PIL image, or an array"):
            read_image(source)

    def test_missing_file(self, tmp_path: Path):
        with pytest.raises(ValueError, match=r"no image file at .*nothing\.png"):
            read_image(tmp_path / "nothing.png")

    @pytest.mark.parametrize(
        "content", [b"", b"this is no image", b"\x89PNG\r\n\x1a\n" + b"x" * 40]
    )
    def test_unreadable_file(self, content: bytes, tmp_path: Path):
        path = tmp_path / "broken.png"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"cannot read an image from .*broken.png"):
            read_image(path)

    def test_truncated_file(self, tmp_path: Path):
        path = tmp_path / "cut.jpg"
        noise = np.random.default_rng(0).integers(0, 255, (60, 60, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:900])
        with pytest.raises(ValueError, match=r"cannot read an image from .*cut.jpg"):
            read_image(path)

    def test_folder(self, tmp_path: Path):
        with pytest.raises(ValueError, match="cannot read an image from"):
            read_image(tmp_path)


class TestOrientation:
    """EXIF 0x0112: what a camera held sideways writes. 1 is upright."""

    UPRIGHT: ClassVar[dict[int, Any]] = {
        1: lambda stored: stored,
        2: lambda stored: stored[:, ::-1],
        3: lambda stored: stored[::-1, ::-1],
        4: lambda stored: stored[::-1],
        5: lambda stored: stored.transpose(1, 0, 2),
        6: lambda stored: np.rot90(stored, -1),
        7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90,
    }

    @pytest.mark.parametrize("orientation", sorted(UPRIGHT))
    def test_jpeg_is_turned_upright(self, orientation: int, tmp_path: Path):
        quadrants = np.zeros((32, 48, 3), np.uint8)
        quadrants[:16, :24], quadrants[:16, 24:] = (250, 10, 10), (10, 250, 10)
        quadrants[16:, :24], quadrants[16:, 24:] = (10, 10, 250), (240, 240, 240)
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = orientation
        path = tmp_path / "camera.jpg"
        Image.fromarray(quadrants).save(path, quality=95, subsampling=0, exif=exif)
        expected = self.UPRIGHT[orientation](quadrants)
        found = read_image(path)
        assert found.shape == expected.shape
        assert np.abs(found.astype(int) - expected).mean() < 6
        with Image.open(path) as opened:
            np.testing.assert_array_equal(read_image(opened), found)

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF")
    @pytest.mark.parametrize(
        "exif", [b"garbage", b"II*\x00\xff\xff\xff\xff", b"II*\x00\x08", b"MM"]
    )
    def test_damaged_exif_does_not_matter(
        self, exif: bytes, pixels: NDArray[np.uint8], tmp_path: Path
    ):
        path = tmp_path / "camera.png"
        Image.fromarray(pixels).save(path, exif=b"Exif\x00\x00" + exif)
        assert same(read_image(path), pixels)


class TestFileModes:
    def test_grey(self, pixels: NDArray[np.uint8]):
        grey = pixels[:, :, 0]
        assert same(read_image(Image.fromarray(grey)), np.dstack([grey] * 3))

    def test_one_bit(self):
        picture = Image.new("1", (4, 2))
        picture.putpixel((3, 1), 1)
        found = read_image(picture)
        assert found[1, 3].tolist() == [255, 255, 255]
        assert found.sum() == 765

    def test_grey_with_alpha(self):
        picture = Image.new("LA", (2, 1), (100, 255))
        picture.putpixel((1, 0), (100, 0))
        assert read_image(picture).tolist() == [[[100] * 3, [255] * 3]]

    def test_alpha_is_laid_over_white(self):
        picture = Image.new("RGBA", (3, 1), (200, 0, 100, 255))
        picture.putpixel((1, 0), (200, 0, 100, 0))
        picture.putpixel((2, 0), (200, 0, 100, 51))
        expected = [[[200, 0, 100], [255, 255, 255], [244, 204, 224]]]
        assert read_image(picture).tolist() == expected

    def test_sixteen_bits(self, tmp_path: Path):
        path = tmp_path / "deep.png"
        values = np.array([[0, 257, 25700], [30000, 65406, 65535]], np.uint16)
        Image.fromarray(values).save(path)
        found = read_image(path)
        assert found[:, :, 0].tolist() == [[0, 1, 100], [117, 254, 255]]
        np.testing.assert_array_equal(found, to_rgb(values))

    @pytest.mark.parametrize("mode", ["I", "F"])
    def test_wide_values_that_fit_nothing(self, mode: str):
        picture = Image.new(mode, (2, 2), -5)
        with pytest.raises(ValueError, match=r"must lie in 0\.\.1"):
            read_image(picture)

    def test_float_file(self, tmp_path: Path):
        path = tmp_path / "float.tiff"
        Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32)).save(path)
        assert read_image(path)[0, :, 0].tolist() == [0, 128, 255]

    def test_palette(self, pixels: NDArray[np.uint8], tmp_path: Path):
        path = tmp_path / "few.png"
        few = (pixels // 128 * 255).astype(np.uint8)
        Image.fromarray(few).convert("P", palette=Image.Palette.ADAPTIVE).save(path)
        assert same(read_image(path), few)

    def test_palette_with_transparency(self, tmp_path: Path):
        path = tmp_path / "icon.png"
        icon = Image.new("P", (2, 1), 0)
        icon.putpalette([10, 20, 30, 200, 100, 0])
        icon.putpixel((1, 0), 1)
        icon.save(path, transparency=0)
        assert read_image(path).tolist() == [[[255, 255, 255], [200, 100, 0]]]

    def test_cmyk(self):
        assert read_image(Image.new("CMYK", (2, 2), (0, 255, 255, 0)))[0, 0].tolist() == [255, 0, 0]


class TestArrays:
    def test_rgb_is_taken_as_it_is(self, pixels: NDArray[np.uint8]):
        assert same(to_rgb(pixels), pixels)

    def test_views_become_contiguous(self, pixels: NDArray[np.uint8]):
        found = to_rgb(pixels[::-1, ::2, ::-1])
        assert found.flags.c_contiguous
        assert same(found, pixels[::-1, ::2, ::-1])

    @pytest.mark.parametrize("shape", [(6, 9), (6, 9, 1)])
    def test_grey_is_repeated(self, shape: tuple[int, ...], pixels: NDArray[np.uint8]):
        found = to_rgb(pixels[:, :, 0].reshape(shape))
        assert same(found, np.dstack([pixels[:, :, 0]] * 3))

    @pytest.mark.parametrize("channels", [2, 4])
    def test_alpha_is_laid_over_white(self, channels: int):
        array = np.full((1, 3, channels), 60, np.uint8)
        array[0, :, -1] = [0, 255, 128]
        expected = [255, 60, round((60 * 128 + 255 * 127) / 255)]
        assert to_rgb(array)[0].tolist() == [[value] * 3 for value in expected]

    def test_bool(self):
        assert to_rgb(np.array([[True, False]]))[0].tolist() == [[255] * 3, [0] * 3]

    def test_uint16_uses_its_full_range(self):
        assert to_rgb(np.array([[0, 257, 65535]], np.uint16))[0, :, 0].tolist() == [0, 1, 255]

    @pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
    def test_float_uses_0_to_1(self, kind: type[np.floating]):
        levels = np.arange(256)
        assert to_rgb((levels / 255).astype(kind)[None])[0, :, 0].tolist() == levels.tolist()

    @pytest.mark.parametrize("bad", [-0.01, 1.01, 255.0])
    def test_float_out_of_range(self, bad: float):
        with pytest.raises(ValueError, match=r"0..1, got values from .*astype\('uint8'\)"):
            to_rgb(np.array([[0.5, bad]]))

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_nan(self, bad: float):
        with pytest.raises(ValueError, match="NaN or infinite"):
            to_rgb(np.array([[0.5, bad]]))

    @pytest.mark.parametrize("shape", [(0, 5), (5, 0, 3), (0, 0, 4)])
    def test_empty(self, shape: tuple[int, ...]):
        with pytest.raises(ValueError, match="image is empty"):
            to_rgb(np.zeros(shape, np.uint8))

    @pytest.mark.parametrize("shape", [(5,), (5, 5, 5), (4, 4, 0), (1, 4, 4, 3)])
    def test_other_shapes(self, shape: tuple[int, ...]):
        with pytest.raises(ValueError, match="accepted are"):
            to_rgb(np.zeros(shape, np.uint8))

    @pytest.mark.parametrize("kind", [np.int64, np.uint32, complex, "U3", object])
    def test_other_element_types(self, kind: Any):
        with pytest.raises(TypeError, match="bool, uint8, uint16 or float"):
            to_rgb(np.zeros((2, 2), kind))


class TestPyramid:
    """Crops cost the same from any size; they must look like crops of the image itself."""

    @staticmethod
    def ramps(shape: tuple[int, int]) -> NDArray[np.uint8]:
        """Red grows to the right, green downwards: a crop's colours tell where it lies."""
        rows, columns = np.indices(shape)
        red, green = columns * 250 / max(1, shape[1]), rows * 250 / max(1, shape[0])
        return np.dstack([red, green, np.zeros(shape)]).round().astype(np.uint8)

    @pytest.mark.parametrize("shape", [(1501, 1103), (1024, 2048), (700, 900), (30, 3000)])
    @pytest.mark.parametrize("part", [(0.0, 0.0, 1.0, 1.0), (0.1, 0.3, 0.95, 0.9)])
    def test_crop_lies_where_it_should(
        self, shape: tuple[int, int], part: tuple[float, float, float, float]
    ):
        image = self.ramps(shape)
        height, width = shape
        box = (
            int(part[0] * width), int(part[1] * height),
            int(part[2] * width), int(part[3] * height),
        )  # fmt: skip
        found = Pyramid(image).crop(box, (128, 128))
        expected = resize(cut(image, box), (128, 128))
        assert found.shape == (128, 128, 3)
        assert found.dtype == np.uint8
        assert np.abs(found.astype(int) - expected.astype(int)).max() <= 2

    def test_crop_is_not_shifted(self):
        """Waves of 80 pixels: one pixel beside would change some levels by nine."""
        rows, columns = np.indices((1301, 1802))
        waves = 127 + 120 * np.sin(columns * (2 * np.pi / 80)) * np.sin(rows * (2 * np.pi / 80))
        image = np.dstack([waves] * 3).round().astype(np.uint8)
        box = (33, 101, 1733, 1221)
        found = Pyramid(image).crop(box, (140, 200))
        expected = resize(cut(image, box), (140, 200))
        assert np.abs(found.astype(int) - expected.astype(int)).max() <= 5

    def test_fine_texture_is_averaged(self):
        checkerboard = (np.indices((2048, 2048)).sum(0) % 2 * 255).astype(np.uint8)
        found = Pyramid(np.dstack([checkerboard] * 3)).crop((0, 0, 2048, 2048), (128, 128))
        assert np.abs(found.astype(int) - 127).max() <= 2

    def test_small_crops_are_cut_from_the_image_itself(self):
        image = np.random.default_rng(0).integers(0, 255, (2100, 2100, 3), dtype=np.uint8)
        found = Pyramid(image).crop((1000, 1500, 1128, 1628), (128, 128))
        np.testing.assert_array_equal(found, image[1500:1628, 1000:1128])

    @pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1)])
    def test_thin_images(self, shape: tuple[int, int]):
        image = np.full((*shape, 3), 90, np.uint8)
        pyramid = Pyramid(image)
        assert pyramid.image is image
        assert (pyramid.crop((0, 0, shape[1], shape[0]), (128, 128)) == 90).all()


def test_a_read_only_image_has_one_pyramid():
    image = np.zeros((30, 40, 3), np.uint8)
    assert pyramid_of(image) is not pyramid_of(image), "somebody may write to it"
    image.flags.writeable = False
    one = pyramid_of(image)
    assert pyramid_of(image) is one
    other = image.copy()
    other.flags.writeable = False
    assert pyramid_of(other) is not one
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None
    assert pyramid_of(image).image is image
