"""Whatever a program has its images in, as image sources."""

import io
import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.images.in_memory import InMemory
from cnncli.images.sources import ImageInput, sources
from cnncli.records.predictions import ImageSource, Stamp, UnreadableError

ImageLike = str | os.PathLike[str] | bytes | Image.Image | NDArray[np.uint8]
"""A path or URL of an image, of a folder or of an archive; the bytes of an image file; an image of Pillow; an array (H, W, 3) or
(H, W) uint8."""


def image_sources(images: ImageLike | Iterable[ImageLike]) -> Iterator[ImageInput]:
    """The images that a program passes, in order; those without a path are named by their place: `image 0`.

    Args:
        images: one, or many, which are taken one after the other as they are needed.

    Raises:
        UsageError: something else is among them.
    """
    is_one = isinstance(images, str | os.PathLike | bytes | Image.Image | np.ndarray)
    many: Any = (images,) if is_one or not isinstance(images, Iterable) else images
    for place, image in enumerate(many):
        name = f"image {place}"
        match image:
            case str() | os.PathLike():
                yield from sources([os.fspath(image)])
            case bytes() | bytearray() | memoryview():
                yield InMemory(name, bytes(image))
            case Image.Image():
                yield _Passed(getattr(image, "filename", "") or name, _kept(image))
            case np.ndarray():
                _require_pixels(image, name)
                yield _Passed(name, _kept(image))
            case _:
                raise UsageError(
                    f"{name} is of type {type(image).__name__}",
                    "pass paths, bytes of image files, images of Pillow, or arrays (H, W, 3) uint8",
                )


def _kept(image: object) -> Callable[[], object]:
    return lambda: image


@frozen_dataclass
class _Passed(ImageSource):
    """An image of Pillow, or an array.

    Attributes:
        image: returns it; None if the program has dropped it since.
    """

    image: Callable[[], Any]

    def open(self) -> BinaryIO:
        """The image as a file from which the same pixels are decoded."""
        image = self.image()
        if image is None:
            raise UnreadableError("no longer in memory")
        return _file(_from_array(image) if isinstance(image, np.ndarray) else image)

    def stamp(self) -> Stamp | None:
        """None: it is in memory."""
        return None

    def without_content(self) -> ImageSource:
        """A record of an image does not keep it in memory."""
        return _Passed(self.path, weakref.ref(self.image()))

    def __reduce__(self) -> tuple[object, ...]:
        """Another process only gets the path."""
        return InMemory, (self.path, b"")


def _require_pixels(array: NDArray[Any], name: str) -> None:
    """Check that an array is an image.

    Raises:
        UsageError: it is not 8-bit grey, RGB or RGBA.
    """
    is_image = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in {1, 3, 4})  # noqa: PLR2004 - axes
    if array.dtype != np.uint8 or not is_image or not array.size:
        raise UsageError(
            f"{name} is an array {array.shape} of {array.dtype}",
            "pass (H, W, 3) uint8; a batch (N, H, W, 3) is passed as list(batch)",
        )


def _from_array(array: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(array[..., 0] if array.shape[2:] == (1,) else array)


def _file(image: Image.Image) -> BinaryIO:
    upright = ImageOps.exif_transpose(image)
    format_ = _FORMATS.get(upright.mode)
    if format_ is None:
        upright, format_ = upright.convert("RGB"), "PPM"
    elif upright.has_transparency_data:
        format_ = "PNG"
    stream = io.BytesIO()
    upright.save(stream, format_)
    stream.seek(0)
    return stream


_FORMATS = {"L": "PPM", "RGB": "PPM"} | dict.fromkeys(("1", "P", "LA", "RGBA", "I;16"), "PNG")
_FORMATS |= dict.fromkeys(("I", "F", "CMYK", "YCbCr", "LAB"), "TIFF")
"""The quickest file format that keeps the pixels of a mode; the others are converted to RGB."""
