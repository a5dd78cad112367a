"""What a user names, as a stream of image sources: files, folders, globs, lists, standard input.

Knows nothing of pixels: whether a file is an image at all is for `decode` to say. Only one directory's
names are in memory at a time (of its ancestors, the folders still to visit), so a walk may be endless.
"""

import glob
import io
import os
import select
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from cnncli.errors import InputError
from cnncli.images.in_memory import InMemory
from cnncli.images.local_file import LocalFile
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.records.progress import Progress

OWN_FOLDER = ".cnncli"
"""In a folder of images what we keep of them, as an index for `similar`."""

STDIN = "-"

Found = ImageSource | Unreadable
"""A place to read an image from, or one where a name led nowhere."""

IMAGE_EXTENSIONS = frozenset(
    f".{ending}"
    for line in (
        "apng avif avifs blp bmp bw cur dcx dds dib fit fits flc fli ftc ftu gif heic heif icb icns ico im",
        "j2c j2k jfif jp2 jpc jpe jpeg jpf jpg jpx jxl mpo msp pbm pcx pfm pgm png pnm ppm psd pxr qoi ras",
        "rgb rgba sgi tga tif tiff vda vst webp xbm xpm",
    )
    for ending in line.split()
)
"""Files of a folder that count as images. Those that Pillow cannot read (HEIC, JPEG XL) are listed all
the same: a photograph that is passed over in silence is worse than one that is reported."""

STALL_SECONDS = 0.1
"""How long a list on a pipe may be silent before those who wait for a full batch hear of it."""


def image_source(path: str) -> ImageSource:
    """The source that a path stands for; a new kind of source is recognised here."""
    return LocalFile(path)


def sources(
    inputs: Iterable[str], stdin: BinaryIO | None = None, progress: Progress | None = None
) -> Iterator[Found]:
    """The images that a user's words name, in the order of the words, sorted within each directory.

    Args:
        inputs: files, folders, globs that no shell expanded, `-` for one image on standard input.
        stdin: where `-` is read from.
        progress: hears of folders without an image, which are easily an unmounted disk or a slip.
    """
    for word in inputs:
        if word == STDIN:
            yield InMemory(STDIN, stdin.read() if stdin else b"")
        elif os.path.isdir(word):
            found = walk(word)
            if first := next(found, None):
                yield first
                yield from found
            elif progress:
                progress.warning(f"no images in {word}")
        elif glob.has_magic(word) and not os.path.lexists(word):
            yield from _expanded(word)
        else:
            yield image_source(word)


def _expanded(pattern: str) -> Iterator[Found]:
    matches = sorted(glob.glob(pattern, recursive=True))
    if not matches:
        yield Unreadable(pattern, "no file matches this pattern")
    walked: set[str] = set()
    for match in matches:  # a folder comes before what is in it, which `**` matches, too
        path = match.rstrip(os.sep) or match
        if any(folder in walked for folder in _above(path)):
            continue
        if os.path.isdir(path):
            walked.add(path)
            yield from walk(match)
        else:
            yield image_source(match)


def _above(path: str) -> Iterator[str]:
    """The folders that a path names on its way, the nearest first."""
    while (parent := os.path.dirname(path)) not in {"", path}:
        yield parent
        path = parent


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder on the way, with the identities (device, inode) of itself and all above it."""

    path: str
    lineage: frozenset[tuple[int, int]]


def walk(root: str) -> Iterator[Found]:
    """The images below a folder: its own first, by name, then each folder's in it, by name.

    Links are followed; a link back to a folder above is a loop, reported once and not entered. Folders
    whose name begins with a dot are skipped, and so are the `._*` files that macOS leaves beside images.
    """
    stack = [_Folder(root, frozenset())]
    while stack:
        folder = stack.pop()
        try:
            identity = os.stat(folder.path)
            here = (identity.st_dev, identity.st_ino)
            if here in folder.lineage:
                yield Unreadable(folder.path, "a link back to a folder above it")
                continue
            files, folders = _listing(folder.path)
        except OSError as error:
            yield Unreadable(folder.path, f"the folder cannot be listed: {error.strerror}")
            continue
        for name in files:
            yield image_source(os.path.join(folder.path, name))
        lineage = folder.lineage | {here}
        stack.extend(_Folder(os.path.join(folder.path, name), lineage) for name in reversed(folders))


def _listing(folder: str) -> tuple[list[str], list[str]]:
    """Sorted names of a folder's images and of the folders in it."""
    files, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_folder(entry):
                if not entry.name.startswith("."):
                    folders.append(entry.name)
            elif is_image_name(entry.name):
                files.append(entry.name)
    return sorted(files), sorted(folders)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """A link that leads to itself or into a forbidden place is taken for a file, and fails as one."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_image_name(name: str) -> bool:
    """Whether a file of a folder counts as an image, by its name alone."""
    return os.path.splitext(name)[1].lower() in IMAGE_EXTENSIONS and not name.startswith("._")


def listed(stream: BinaryIO, *, separator: bytes = b"\n") -> Iterator[ImageSource | None]:
    r"""The paths of a list, taken literally, as they arrive.

    Args:
        stream: of bytes; read from its descriptor where it has one, so that a pipe's every word counts
            as soon as it is there.
        separator: `\n` (a `\r` before it is dropped, empty lines are skipped) or `\0`.

    Yields:
        None whenever a pipe has had nothing to say for `STALL_SECONDS`: whoever gathers a batch can then
        go on with what there is.
    """
    rest = b""
    for chunk in _chunks(stream):
        if chunk is None:
            yield None
            continue
        *lines, rest = (rest + chunk).split(separator)
        yield from _paths(lines, separator)
    yield from _paths([rest], separator)


def _paths(lines: Sequence[bytes], separator: bytes) -> Iterator[ImageSource]:
    for line in lines:
        name = line.removesuffix(b"\r") if separator == b"\n" else line
        if name:
            yield image_source(os.fsdecode(name))


def _chunks(stream: BinaryIO, size: int = 65536) -> Iterator[bytes | None]:
    """What a stream holds, piece by piece; None for each stall of a pipe."""
    try:
        descriptor = stream.fileno()
    except (OSError, io.UnsupportedOperation):  # no file behind it: the bytes are all there
        yield stream.read()
        return
    can_stall = os.name == "posix" and not stat.S_ISREG(os.fstat(descriptor).st_mode)
    while True:
        if can_stall and not select.select([descriptor], [], [], STALL_SECONDS)[0]:
            yield None
            continue
        try:
            chunk = os.read(descriptor, size)
        except OSError as error:
            raise InputError(f"cannot read the list: {error.strerror}") from error
        if not chunk:
            return
        yield chunk


def open_list(path: str, stdin: BinaryIO) -> BinaryIO:
    """A list of paths, ready to be read; `-` is standard input.

    Raises:
        InputError: the list cannot be opened.
    """
    if path == STDIN:
        return stdin
    try:
        return open(path, "rb")
    except OSError as error:
        raise InputError(f"cannot read the list {path}: {error.strerror}") from error
