"""Every kind of image becomes the pixels that a person sees; everything else becomes a reason."""

import io
import os
import random
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from cnncli.images.decode import Decoding, decode, thumbnail
from cnncli.images.in_memory import InMemory
from cnncli.images.local_file import LocalFile
from cnncli.images.pixel_limit import allow_pixels
from cnncli.records.predictions import ImageSource, Unreadable

RGB = tuple[int, int, int]


def encoded(image: Image.Image, format_: str, **options: object) -> InMemory:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return InMemory("test", file.getvalue())


def pixels(
    source: ImageSource, decoding: Decoding = Decoding()
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    image = decode(source, decoding)
    assert not isinstance(image, Unreadable), image.reason
    assert image.mode == ("RGB" if decoding.channels == 3 else "L")
    return np.asarray(image)


def reason(source: ImageSource, decoding: Decoding = Decoding()) -> str:
    unreadable = decode(source, decoding)
    assert isinstance(unreadable, Unreadable)
    assert unreadable.path == source.path
    assert "\n" not in unreadable.reason
    return unreadable.reason


def arrow() -> Image.Image:
    """Red in the upper left corner, blue elsewhere: any turn or mirror shows."""
    image = Image.new("RGB", (32, 16), (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, 8, 8))
    return image


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_exif_orientation_is_applied(orientation: int, format_: str) -> None:
    upright = arrow()
    stored = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }[orientation]
    lying = upright
    for turn in stored:
        lying = lying.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    actual = pixels(encoded(lying, format_, exif=exif.tobytes() if format_ != "TIFF" else exif, quality=95))
    assert actual.shape == (16, 32, 3)
    assert actual[2, 2, 0] > 200
    assert actual[2, 30, 0] < 100
    assert actual[14, 2, 2] > 200


def test_damaged_exif_is_ignored() -> None:
    actual = pixels(encoded(arrow(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff", quality=95))
    assert actual.shape == (16, 32, 3)


def test_transparency_is_composited_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    half = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    grey = Image.new("LA", (4, 4), (0, 128))
    assert (pixels(encoded(clear, "PNG")) == 255).all()
    assert tuple(pixels(encoded(half, "PNG"))[0, 0]) == (255, 127, 127)
    assert tuple(pixels(encoded(grey, "PNG"))[0, 0]) == (127, 127, 127)


def test_transparent_colours_of_palettes_and_of_plain_modes() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([10, 20, 30, 200, 0, 0])
    assert (pixels(encoded(palette, "PNG", transparency=1)) == 255).all()
    assert (pixels(encoded(palette, "GIF", transparency=1)) == 255).all()
    assert tuple(pixels(encoded(palette, "PNG"))[0, 0]) == (200, 0, 0)
    key = Image.new("RGB", (4, 4), (1, 2, 3))
    assert (pixels(encoded(key, "PNG", transparency=(1, 2, 3))) == 255).all()
    assert (pixels(encoded(Image.new("L", (4, 4), 7), "PNG", transparency=7)) == 255).all()


@given(st.lists(st.integers(0, 65535), min_size=16, max_size=16))
def test_16_bit_grey_is_divided_by_257(values: list[int]) -> None:
    image = Image.fromarray(np.array(values, np.uint16).reshape(4, 4))
    expected = np.rint(np.array(values) / 257).reshape(4, 4)
    for format_ in ("PNG", "TIFF", "JPEG2000"):
        actual = pixels(encoded(image, format_), Decoding(channels=1))
        assert (actual == expected).all(), format_


def test_16_bit_grey_with_a_transparent_value() -> None:
    image = Image.fromarray(np.array([[257 * 9, 257 * 7]], np.uint16))
    source = encoded(image, "PNG", transparency=257 * 7)
    assert pixels(source, Decoding(channels=1)).tolist() == [[9, 255]]


def test_16_bit_pgm_which_pillow_opens_as_32_bit() -> None:
    data = b"P5 2 1 65535\n" + np.array([257 * 100, 65535], ">u2").tobytes()
    assert pixels(InMemory("x", data), Decoding(channels=1)).tolist() == [[100, 255]]


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_grey_is_scaled_from_its_own_range(dtype: type[np.int32 | np.float32]) -> None:
    values = np.array([[-1000, 0], [500, 1000]]).astype(dtype)
    actual = pixels(encoded(Image.fromarray(values), "TIFF"), Decoding(channels=1))
    assert actual.tolist() == [[0, 128], [191, 255]]


def test_floats_that_are_not_numbers() -> None:
    values = np.array([[np.nan, 1.0], [np.inf, 3.0]], np.float32)
    actual = pixels(encoded(Image.fromarray(values), "TIFF"), Decoding(channels=1))
    assert actual.tolist() == [[0, 0], [0, 255]]
    flat = np.full((2, 2), np.nan, np.float32)
    assert not pixels(encoded(Image.fromarray(flat), "TIFF"), Decoding(channels=1)).any()
    flat[:] = 7.5
    assert not pixels(encoded(Image.fromarray(flat), "TIFF"), Decoding(channels=1)).any()


@pytest.mark.parametrize(
    ("mode", "colour", "format_", "expected"),
    [
        ("CMYK", (0, 255, 255, 0), "TIFF", (255, 0, 0)),
        ("CMYK", (0, 255, 255, 0), "JPEG", (254, 0, 0)),
        ("1", 1, "PNG", (255, 255, 255)),
        ("L", 77, "PNG", (77, 77, 77)),
        ("P", 0, "GIF", (0, 0, 0)),
        ("YCbCr", (76, 84, 255), "JPEG", (254, 0, 0)),
    ],
)
def test_other_modes(mode: str, colour: "int | RGB", format_: str, expected: RGB) -> None:
    image = Image.new(mode, (8, 8), colour)
    actual = pixels(encoded(image, format_))[4, 4].astype(int)
    assert abs(actual - expected).max() <= 2


def test_lab() -> None:
    lab = ImageCms.profileToProfile(
        Image.new("RGB", (4, 4), (200, 30, 60)),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert lab is not None
    assert abs(pixels(encoded(lab, "TIFF"))[0, 0].astype(int) - (200, 30, 60)).max() <= 3


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_is_used(format_: str) -> None:
    first, second = Image.new("RGB", (8, 8), (250, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 250))
    source = encoded(
        first,
        format_,
        save_all=True,
        append_images=[second],
        **({"lossless": True} if format_ == "WEBP" else {}),
    )
    assert tuple(pixels(source)[0, 0]) == (250, 0, 0)


@pytest.mark.parametrize(
    "format_",
    [
        "PNG",
        "JPEG",
        "WEBP",
        "AVIF",
        "GIF",
        "BMP",
        "TIFF",
        "JPEG2000",
        "PPM",
        "ICO",
        "TGA",
        "PCX",
        "SGI",
        "QOI",
    ],
)
def test_formats(format_: str) -> None:
    image = Image.new("RGB", (64, 64), (200, 100, 50))
    actual = pixels(encoded(image, format_))[32, 32].astype(int)
    assert abs(actual - (200, 100, 50)).max() <= 6


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "1", "CMYK", "I;16"])
def test_one_channel_is_pillows_grey(mode: str) -> None:
    colour = Image.effect_noise((16, 16), 60).convert("RGB")
    image = (
        Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 257)
        if mode == "I;16"
        else colour.convert(mode)
    )
    source = encoded(image, "TIFF" if mode == "CMYK" else "PNG")
    expected = Image.fromarray(pixels(source)).convert("L")
    assert (pixels(source, Decoding(channels=1)) == np.asarray(expected)).all()


# ---- what cannot be read


def test_paths_that_are_not_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        (tmp_path / "empty.jpg").touch()
        (tmp_path / "dangling.jpg").symlink_to("nowhere")
        assert reason(LocalFile(str(tmp_path))) == "a folder, not a file"
        assert reason(LocalFile(str(tmp_path / "pipe.jpg"))) == "a pipe, not a file"
        assert reason(LocalFile("/dev/zero")) == "a device, not a file"
        assert reason(LocalFile(str(tmp_path / "s")))
        assert reason(LocalFile(str(tmp_path / "empty.jpg"))) == "an empty file"
        assert reason(LocalFile(str(tmp_path / "none.jpg"))) == "no such file"
        assert reason(LocalFile(str(tmp_path / "dangling.jpg"))) == "no such file"
        assert reason(LocalFile("x" * 5000)) == "File name too long"
        assert reason(LocalFile("a\0b")).startswith("a path cannot contain a NUL byte")
        assert reason(InMemory("-", b"")) == "empty: no bytes"


def test_a_file_without_permission(unprivileged: Path) -> None:
    file = unprivileged / "a.png"
    Image.new("RGB", (4, 4)).save(file)
    file.chmod(0)
    assert reason(LocalFile(str(file))) == "Permission denied"


def test_a_truncated_jpeg() -> None:
    data = encoded(Image.effect_noise((200, 200), 80), "JPEG").data
    assert data
    assert (
        reason(InMemory("x", data[: len(data) // 2]))
        == "truncated: the file ends before the image is complete"
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"hello, world", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "Ghostscript"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\xff\x0a" + b"\0" * 40, "JPEG XL"),
    ],
)
def test_files_that_pillow_cannot_read(data: bytes, expected: str) -> None:
    assert expected in reason(InMemory("x", data))


def test_max_pixels() -> None:
    source = encoded(Image.new("RGB", (100, 100)), "PNG")
    assert (
        reason(source, Decoding(max_pixels=9999))
        == "10,000 pixels, more than the limit of 9,999 (--max-pixels)"
    )
    assert pixels(source, Decoding(max_pixels=10_000)).shape == (100, 100, 3)


def test_a_decompression_bomb_is_not_inflated() -> None:
    bomb = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(bomb, "PNG")
    source = InMemory("x", bomb.getvalue())
    assert "200,000,000 pixels, more than the limit of 178,956,970" in reason(source)


def test_pillows_own_limit_is_only_raised_while_an_image_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    source = encoded(Image.new("RGB", (100, 100)), "PNG")
    assert "10,000 pixels" in reason(
        source, Decoding(max_pixels=50)
    )  # a lower limit is ours to keep, not Pillow's
    assert pixels(source, Decoding(max_pixels=10_000)).shape == (100, 100, 3)
    with allow_pixels(5000):
        with allow_pixels(20_000), allow_pixels(50):
            assert Image.MAX_IMAGE_PIXELS == 20_000
        assert Image.MAX_IMAGE_PIXELS == 5000
    assert Image.MAX_IMAGE_PIXELS == 1000


# ---- large JPEGs


def large_jpeg(width: int, height: int, orientation: int = 1) -> ImageSource:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(
        Image.linear_gradient("L").resize((width, height)).convert("RGB"), "JPEG", exif=exif.tobytes()
    )


def to_shorter(target: int) -> Callable[[tuple[int, int]], tuple[int, int]]:
    def resized(size: tuple[int, int]) -> tuple[int, int]:
        width, height = size
        return round(width * target / min(size)), round(height * target / min(size))

    return resized


@given(st.integers(300, 6000), st.integers(300, 6000), st.integers(32, 600), st.sampled_from([1, 6]))
@settings(max_examples=15, deadline=None)
def test_a_reduced_decode_keeps_twice_the_target(
    width: int, height: int, target: int, orientation: int
) -> None:
    image = decode(large_jpeg(width, height, orientation), Decoding(target_size=to_shorter(target)))
    assert not isinstance(image, Unreadable)
    full = (height, width) if orientation == 6 else (width, height)
    if width * height <= 4_000_000:
        assert image.size == full
        return
    assert image.width >= min(2 * to_shorter(target)(full)[0], full[0])
    assert image.height >= min(2 * to_shorter(target)(full)[1], full[1])


def test_a_12_megapixel_jpeg_is_reduced_and_exact_decode_is_not() -> None:
    source = large_jpeg(4000, 3000)
    reduced = decode(source, Decoding(target_size=to_shorter(256)))
    exact = decode(source, Decoding())
    assert not isinstance(reduced, Unreadable)
    assert not isinstance(exact, Unreadable)
    assert (reduced.size, exact.size) == ((1000, 750), (4000, 3000))


def test_other_formats_are_never_reduced() -> None:
    source = encoded(Image.new("RGB", (2500, 2000)), "PNG")
    assert pixels(source, Decoding(target_size=to_shorter(64))).shape == (2000, 2500, 3)


# ---- hostile bytes

SAVED = [
    "PNG",
    "JPEG",
    "GIF",
    "BMP",
    "TIFF",
    "WEBP",
    "PPM",
    "ICO",
    "TGA",
    "PCX",
    "SGI",
    "JPEG2000",
    "AVIF",
    "QOI",
    "DDS",
    "IM",
    "MSP",
    "SPIDER",
    "XBM",
    "ICNS",
]


def sample(format_: str) -> bytes:
    mode = {"MSP": "1", "XBM": "1", "SPIDER": "F"}.get(format_, "RGB")
    image = Image.effect_noise((32, 32), 60).convert(mode)
    data = encoded(image, format_).data
    assert data
    return data


@pytest.mark.parametrize("format_", SAVED)
def test_flipped_bytes_never_raise(format_: str) -> None:
    whole, draw = sample(format_), random.Random(format_)
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 8)):
            data[draw.randrange(min(len(data), draw.choice([64, len(data)])))] = draw.randrange(256)
        cut = draw.choice([len(data), len(data), draw.randrange(len(data))])
        actual = decode(InMemory("x", bytes(data[:cut])), Decoding(max_pixels=2_000_000))
        assert isinstance(actual, Unreadable) or actual.mode == "RGB"


@pytest.mark.slow
@given(st.binary(max_size=300), st.sampled_from(SAVED), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_garbage_after_a_valid_header_never_raises(garbage: bytes, format_: str, length: int) -> None:
    actual = decode(InMemory("x", SAMPLES[format_][:length] + garbage), Decoding(max_pixels=2_000_000))
    assert isinstance(actual, Unreadable) or actual.mode == "RGB"


SAMPLES = {format_: sample(format_) for format_ in SAVED}


@pytest.mark.shared
def test_pillows_own_test_images_are_decoded_or_reported(shared: Path) -> None:
    files = sorted((shared / "data" / "odd-images").iterdir())
    assert len(files) == 150
    results = [decode(LocalFile(str(file)), Decoding()) for file in files]
    unreadable = {result.path: result.reason for result in results if isinstance(result, Unreadable)}
    assert len(unreadable) < 30
    assert all(reason and "\n" not in reason for reason in unreadable.values())


def test_decoding_in_threads_gives_the_same() -> None:
    sources = [InMemory(name, data) for name, data in SAMPLES.items()] * 3
    alone = [pixels(source) for source in sources]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(pixels, sources))
    assert all((one == other).all() for one, other in zip(alone, together, strict=True))


def test_a_thumbnail_fits_its_box() -> None:
    data = thumbnail(encoded(Image.new("RGB", (300, 100), (9, 9, 9)), "PNG"), (60, 60))
    assert data
    assert Image.open(io.BytesIO(data)).size == (60, 20)
    assert thumbnail(InMemory("x", b"no"), (60, 60)) is None
