"""The inputs that a user names, as a stream of image sources: files, folders, globs, lists, standard input.

Whether a file is an image is decided by `decode`. Only the names of one directory are in memory at a time (and the names of the
folders still to visit), so a walk may be arbitrarily long.
"""

import codecs
import glob
import io
import os
import select
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from cnncli.errors import InputError
from cnncli.images.in_memory import InMemory
from cnncli.images.local_file import LocalFile
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.records.progress import Progress
from cnncli.regular_file import open_regular
from cnncli.text import BYTE_ORDER_MARKS, encoding_of

STDIN = "-"

BY_PRODUCTS = frozenset({"@eaDir", ".ipynb_checkpoints", "__MACOSX", "Thumbs.db"})
"""Folders and files that other programs leave beside images: Synology's thumbnails, Jupyter's copies, macOS's metadata, Windows'
thumbnails. They are skipped and named."""

ImageInput = ImageSource | Unreadable
"""An image source, or an input that leads to no image."""

IMAGE_EXTENSIONS = frozenset(
    f".{suffix}"
    for line in (
        "apng avif avifs blp bmp bw cur dcx dds dib fit fits flc fli ftc ftu gif heic heif icb icns ico im",
        "j2c j2k jfif jp2 jpc jpe jpeg jpf jpg jpx jxl mpo msp pbm pcx pfm pgm png pnm ppm psd pxr qoi ras",
        "rgb rgba sgi tga tif tiff vda vst webp xbm xpm",
    )
    for suffix in line.split()
)
"""Suffixes of the files in a folder that count as images. Those that Pillow cannot read (HEIC, JPEG XL) are included: a photo
that is skipped silently is worse than one that is reported."""

MAX_STDIN_BYTES = 512 << 20
"""Largest image in bytes that is read from standard input, which may have no end."""

_MAX_PATH_BYTES = 65536
"""Longest path of a list in bytes; no system has longer ones, and a device has no end."""

_DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")
"""Where a shell's process substitution, `<(…)`, leads."""

STALL_SECONDS = 0.1
"""Seconds without a new line on a pipe after which an incomplete batch is used."""


def image_source(path: str) -> ImageSource:
    """The image source of a path; new kinds of sources are recognised here."""
    return LocalFile(path)


def sources(
    inputs: Iterable[str],
    stdin: BinaryIO | None = None,
    progress: Progress | None = None,
    *,
    reports_empty: bool = True,
) -> Iterator[ImageInput]:
    """The images that the arguments name, in the order of the arguments, sorted within each directory.

    Args:
        inputs: files, folders, globs that no shell expanded, `-` for one image on standard input.
        stdin: where `-` is read from.
        progress: reports by-products of other programs that are skipped.
        reports_empty: whether a folder without images, which may be an unmounted disk or a typing error, is reported, too.
    """
    for name in inputs:
        if name == STDIN:
            yield _read_stdin(stdin) if stdin else InMemory(STDIN, b"")
        elif os.path.isdir(name):
            skipped: Counter[str] = Counter()
            images = walk(name, skipped)
            if first := next(images, None):
                yield first
                yield from images
                if progress and skipped:
                    progress.notice(by_products_text(skipped, name))
            elif progress and reports_empty:
                progress.warning(f"no images in {name}")
        elif glob.has_magic(name) and not os.path.lexists(name):
            yield from _expand_glob(name)
        else:
            yield image_source(name)


def _read_stdin(stdin: BinaryIO) -> ImageInput:
    """The image on standard input, unless it has no end."""
    content = stdin.read(MAX_STDIN_BYTES + 1)
    if len(content) > MAX_STDIN_BYTES:
        return Unreadable(STDIN, f"more than {MAX_STDIN_BYTES >> 20} MB on standard input")
    return InMemory(STDIN, content)


def _expand_glob(pattern: str) -> Iterator[ImageInput]:
    matches = sorted(glob.glob(pattern, recursive=True))
    if not matches:
        yield Unreadable(pattern, "no file matches this pattern")
    walked: set[str] = set()
    for match in matches:  # a folder comes before its content, which `**` also matches
        path = match.rstrip(os.sep) or match
        if any(folder in walked for folder in _parents(path)):
            continue
        if os.path.isdir(path):
            walked.add(path)
            yield from walk(match)
        else:
            yield image_source(match)


def _parents(path: str) -> Iterator[str]:
    """The folders above a path, the nearest first."""
    while (parent := os.path.dirname(path)) not in {"", path}:
        yield parent
        path = parent


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder to visit, with the identities (device, inode) of all folders above it."""

    path: str
    lineage: frozenset[tuple[int, int]]


def by_products_text(skipped: Mapping[str, int], folder: str) -> str:
    """The by-products of other programs that were skipped in a folder: how many of each name."""
    names = ", ".join(f"{count:,} {name}" for name, count in sorted(skipped.items()))
    return f"skipped in {folder}: {names}"


def walk(root: str, skipped: Counter[str] | None = None) -> Iterator[ImageInput]:
    """The images below a folder: first those in it, by name, then those of each subfolder, by name.

    Links are followed; a link back to a folder above it is reported once and not followed. Folders whose names begin with a
    dot are skipped, and so are the `._*` files that macOS leaves beside images.

    Args:
        root: the folder.
        skipped: counts the by-products of other programs that are skipped, by name.
    """
    stack = [_Folder(root, frozenset())]
    while stack:
        folder = stack.pop()
        try:
            status = os.stat(folder.path)
            key = (status.st_dev, status.st_ino)
            if key in folder.lineage:
                yield Unreadable(folder.path, "a link back to a folder above it")
                continue
            files, folders, others = _listing(folder.path)
        except OSError as error:
            yield Unreadable(folder.path, str(error.strerror))
            continue
        for name in files:
            yield image_source(os.path.join(folder.path, name))
        if skipped is not None:
            skipped.update(BY_PRODUCTS.intersection(others))
        lineage = folder.lineage | {key}
        stack.extend(_Folder(os.path.join(folder.path, name), lineage) for name in reversed(folders))


def _listing(folder: str) -> tuple[list[str], list[str], list[str]]:
    """Sorted names of a folder's images and of the folders in it, and the names that are skipped."""
    files: list[str] = []
    folders: list[str] = []
    others: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_folder(entry):
                (folders if is_folder_name(entry.name) else others).append(entry.name)
            else:
                (files if is_image_name(entry.name) else others).append(entry.name)
    return sorted(files), sorted(folders), others


def is_folder_name(name: str) -> bool:
    """Whether a folder is searched for images, by its name alone."""
    return not name.startswith(".") and name not in BY_PRODUCTS


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder. A link that cannot be followed counts as a file, and is then reported as unreadable."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_image_name(name: str) -> bool:
    """Whether a file of a folder counts as an image, by its name alone."""
    return os.path.splitext(name)[1].lower() in IMAGE_EXTENSIONS and not name.startswith("._")


def read_list(stream: BinaryIO, *, separator: bytes = b"\n") -> Iterator[ImageSource | None]:
    r"""The paths in a list, taken literally, as they arrive.

    Args:
        stream: of bytes in UTF-8, UTF-16 or UTF-32; read from its descriptor where it has one, so that each path in a pipe is used as soon as it
            arrives.
        separator: `\n` (a `\r` before it is dropped, empty lines are skipped) or `\0`.

    Yields:
        None whenever a pipe was silent for `STALL_SECONDS`, so that an incomplete batch can be used.

    Raises:
        InputError: it cannot be read, or is not a list of paths.
    """
    rest = b""
    empty = 0
    chunks = _chunks(stream)
    for chunk in chunks if separator == b"\0" else _utf8(chunks):
        if chunk is None:
            yield None
            continue
        *lines, rest = (rest + chunk).split(separator)
        empty = 0 if any(lines) else empty + len(lines)
        if max(len(rest), empty) > _MAX_PATH_BYTES:
            raise InputError(
                f"this is not a list of paths: {_MAX_PATH_BYTES:,} bytes without one",
                "a list written by find -print0 needs -0",
            )
        yield from _paths(lines, separator)
    yield from _paths([rest], separator)


def _utf8(chunks: Iterable[bytes | None]) -> Iterator[bytes | None]:
    """A list in UTF-8 without a byte order mark, whatever encoding it was saved in."""
    start, decoder = b"", None
    is_begun = False
    for chunk in chunks:
        if chunk is None:
            yield None
        elif is_begun:
            yield decoder.decode(chunk).encode("utf-8", "surrogateescape") if decoder else chunk
        else:
            start += chunk
            is_begun = not any(mark != start and mark.startswith(start) for mark in BYTE_ORDER_MARKS)
            if is_begun:
                decoder = _decoder(start)
                yield decoder.decode(start).encode("utf-8", "surrogateescape") if decoder else start
    if not is_begun:
        yield start


def _decoder(start: bytes) -> codecs.IncrementalDecoder | None:
    """The decoder of a list that begins with these bytes; None for plain UTF-8, which needs none."""
    encoding = encoding_of(start)
    if encoding == "utf-8":
        return None
    return codecs.getincrementaldecoder(encoding)("surrogateescape" if encoding == "utf-8-sig" else "replace")


def _paths(lines: Sequence[bytes], separator: bytes) -> Iterator[ImageSource]:
    for line in lines:
        name = line.removesuffix(b"\r") if separator == b"\n" else line
        if name:
            yield image_source(os.fsdecode(name))


def _chunks(stream: BinaryIO, size: int = 65536) -> Iterator[bytes | None]:
    """The content of a stream in pieces; None for each stall of a pipe."""
    try:
        descriptor = stream.fileno()
    except (OSError, io.UnsupportedOperation):  # not a file: all bytes are in memory
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
    """Open a list of paths; `-` is standard input.

    Raises:
        InputError: the list cannot be opened.
    """
    if path == STDIN:
        return stdin
    try:
        return open(path, "rb") if path.startswith(_DESCRIPTORS) else open_regular(path)
    except OSError as error:
        raise InputError(f"cannot read the list {path}: {error.strerror}") from error
