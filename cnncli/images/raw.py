"""Camera RAW images, read by LibRaw (package rawpy): the preview that the camera has put into the file, or the developed image.

The preview has the camera's own colours, and is read in a fraction of the time.
"""

import contextlib
import io
import os
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from cnncli.images.file_names import RAW_EXTENSIONS
from cnncli.images.reasons import TRUNCATED
from cnncli.records.predictions import UnreadableError
from cnncli.text import install_command

if TYPE_CHECKING:
    import rawpy

Size = tuple[int, int]
"""(width, height) in pixels, as stored."""

_MAGIC = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM", b"II\x1a\0\0\0HEAPCCDR")
"""First bytes of RAW files that are no TIFF files: of Fujifilm, Olympus (3), Panasonic, Sigma, Minolta, Canon."""

_CR3 = b"ftypcrx "
"""From byte 4 in those of newer cameras of Canon."""

_TIFF = (b"II*\0", b"MM\0*")
"""First bytes of TIFF files, which most RAW files are."""

_ORDINARY = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF")
"""First bytes of ordinary images, which some program has given the ending of a RAW file."""

_DNG_VERSION, _SUBFILE_TYPE, _SUBFOLDERS = 50706, 254, 330
_OFFSETS_AND_SIZES = ((273, 279), (324, 325))
"""Tags of TIFF; the pairs say where the strips and tiles of an image are."""

_REDUCED = 1
"""The subfile type of a preview."""

_MAX_FOLDERS = 32
"""Tag folders of a file that are looked at; a RAW file has up to ten."""

_NEARLY = 0.9
"""Share of the full width and height from which a preview counts as complete: cameras cut off some pixels at the edges."""

_BYTES, _HALF_BYTES = 16, 6
"""Bytes per pixel that LibRaw takes to develop an image, in full and at half size."""

_ORIENTATIONS = {0: 1, 3: 3, 5: 8, 6: 6}
"""EXIF's orientation by LibRaw's."""

_SIDEWAYS = frozenset({5, 6, 7, 8})
"""The orientations in EXIF that exchange width and height."""


def is_raw(path: str, stream: BinaryIO) -> bool:
    """Whether a stream is a RAW file, by its first bytes and by the ending of its path; it is then at its beginning."""
    head = stream.read(16)
    is_named_so = os.path.splitext(path)[1].lower() in RAW_EXTENSIONS  # noqa: PTH122 - the path is a string
    if is_named_so and head:
        answer = not head.startswith(_ORDINARY)
    elif head.startswith(_TIFF):
        first = next(_tag_folders(stream), {})
        answer = _DNG_VERSION in first or first.get(_SUBFILE_TYPE) == _REDUCED
    else:
        answer = head.startswith(_MAGIC) or head[4:12] == _CR3
    stream.seek(0)
    return answer


def is_tiff(stream: BinaryIO) -> bool:
    """Whether a stream is a TIFF file, by its first bytes; it is then at its beginning."""
    head = stream.read(4)
    stream.seek(0)
    return head.startswith(_TIFF)


def _tag_folders(stream: BinaryIO) -> Iterator[Mapping[int, Any]]:
    """The tag folders (IFD) of a TIFF file, as far as they are intact: those in its chain, each with its subfolders."""
    stream.seek(0)
    head = stream.read(8)
    if not head.startswith(_TIFF):
        return
    with contextlib.suppress(Exception):  # Pillow's parser raises anything on damaged tags
        waiting = deque([ImageFileDirectory_v2(head).next])
        for _ in range(_MAX_FOLDERS):
            if not waiting:
                return
            folder = ImageFileDirectory_v2(head)
            stream.seek(waiting.popleft())
            folder.load(stream)
            yield folder
            waiting.extend(offset for offset in (*_numbers(folder.get(_SUBFOLDERS)), folder.next) if offset)


def _numbers(value: Any) -> tuple[int, ...]:  # noqa: ANN401 - a value of Pillow's tags
    """The value of a tag, which is a number or several."""
    return () if value is None else value if isinstance(value, tuple) else (value,)


def _is_complete(stream: BinaryIO) -> bool:
    """Whether a TIFF file has all the strips and tiles of its images; True for other files."""
    end = stream.seek(0, io.SEEK_END)
    for folder in _tag_folders(stream):
        for offsets, sizes in _OFFSETS_AND_SIZES:
            pairs = zip(_numbers(folder.get(offsets)), _numbers(folder.get(sizes)), strict=False)
            if any(offset + size > end for offset, size in pairs):
                return False
    return True


class RawImage:
    """An open RAW file, of which only the header has been read."""

    def __init__(self, raw: "rawpy.RawPy") -> None:
        self._raw = raw
        self.size: Size = (raw.sizes.width, raw.sizes.height)
        self._orientation = _ORIENTATIONS.get(raw.sizes.flip, 1)

    def preview(self, least: Size) -> Image.Image | None:
        """The embedded preview with its orientation in EXIF; None if it is too small, or if there is none.

        Args:
            least: width and height that it must have; where the RAW image itself is smaller, nearly its own suffice.
        """
        image = self._thumbnail()
        if image is None:
            return None
        enough = (min(side, _NEARLY * own) for side, own in zip(least, self.size, strict=True))
        if any(own < side for own, side in zip(image.size, enough, strict=True)):
            return None
        image.getexif()[ExifTags.Base.Orientation] = self._orientation_of(image)
        return image

    def exif(self) -> Image.Exif:
        """EXIF as LibRaw writes it into the preview; empty if there is no JPEG in the file."""
        preview = self._thumbnail()
        return preview.getexif() if preview else Image.Exif()

    def _orientation_of(self, preview: Image.Image) -> int:
        """How a preview must be rotated: as its own EXIF says, or that of the RAW image, unless it is upright already."""
        is_upright_wide = _is_wide(self.size) != (self._orientation in _SIDEWAYS)
        candidates = (preview.getexif().get(ExifTags.Base.Orientation, 1), self._orientation, 1)
        return next(
            (
                orientation
                for orientation in candidates
                if (_is_wide(preview.size) != (orientation in _SIDEWAYS)) == is_upright_wide
            ),
            1,
        )

    def _thumbnail(self) -> Image.Image | None:
        """The embedded preview as it is stored, of which a JPEG is not decoded yet; None if there is none."""
        import rawpy

        try:
            data = self._raw.extract_thumb().data
            if isinstance(data, bytes):
                return Image.open(io.BytesIO(data), formats=("JPEG",))
            return Image.fromarray(data)
        except (rawpy.LibRawError, rawpy.NotSupportedError, OSError, TypeError):
            return None

    def memory(self, least: Size) -> int:
        """About how many bytes `develop` takes at its peak."""
        width, height = self.size
        return width * height * (_HALF_BYTES if self._halves(least) else _BYTES)

    def develop(self, least: Size) -> Image.Image:
        """The upright image in sRGB with the camera's white balance, at half size if that is at least `least`."""
        pixels = self._raw.postprocess(use_camera_wb=True, half_size=self._halves(least))
        return Image.fromarray(pixels.squeeze())

    def _halves(self, least: Size) -> bool:
        return all(own >= 2 * side for own, side in zip(self.size, least, strict=True))


def _is_wide(size: Size) -> bool:
    return size[0] >= size[1]


@contextlib.contextmanager
def open_raw(stream: BinaryIO) -> Iterator[RawImage]:
    """Open a RAW file.

    Raises:
        UnreadableError: rawpy is not installed, or LibRaw cannot read the file, which may also turn out when it is developed.
    """
    try:
        import rawpy
    except ImportError as error:
        install = install_command("cnncli[raw]")
        raise UnreadableError(f"a camera RAW image, which needs the package rawpy: {install}") from error
    if not _is_complete(stream):
        raise UnreadableError(TRUNCATED)
    stream.seek(0)
    try:
        with rawpy.imread(stream) as raw:
            yield RawImage(raw)
    except rawpy.LibRawIOError as error:
        raise UnreadableError(TRUNCATED) from error
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        reason = (
            error.args[0].decode(errors="replace")
            if error.args and isinstance(error.args[0], bytes)
            else str(error)
        )
        raise UnreadableError(f"a camera RAW image that LibRaw cannot read: {reason}") from error
