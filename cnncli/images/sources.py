"""The inputs that a user names, as a stream of image sources: files, folders, globs, archives, URLs, standard input.

Whether a file is an image is decided by `decode`. Only the names of one directory or archive are in memory at a time (and the names
of the folders still to visit), so a walk may be arbitrarily long.
"""

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import InputError
from cnncli.images.container import reason
from cnncli.images.file_names import (
    BY_PRODUCTS,
    STDIN,
    by_products_text,
    is_archive,
    is_folder_name,
    is_image_name,
    is_parquet,
    is_read_in_order,
)
from cnncli.images.in_memory import InMemory
from cnncli.images.local_file import LocalFile
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.records.progress import Progress
from cnncli.text import is_url

ImageInput = ImageSource | Unreadable
"""An image source, or an input that leads to no image."""

MAX_STDIN_BYTES = 512 << 20
"""Largest image in bytes that is read from standard input, which may have no end."""


_CONTAINER = re.compile(r"\.(?:tar|tar\.gz|tgz|parquet)(?=/)", re.IGNORECASE)
"""The end of the name of a file that holds many images, within the path of one of them."""


def image_source(path: str) -> ImageSource:
    """The image source of a path; new kinds of sources are recognised here."""
    for match in _CONTAINER.finditer(path):
        file, place = path[: match.end()], path[match.end() + 1 :]
        if not is_url(path) and not os.path.isfile(file):
            continue
        if source := _contained_image(path, file, place):
            return source
    if is_url(path):
        from cnncli.images.remote_image import RemoteImage

        return RemoteImage(path)
    return LocalFile(path)


def _contained_image(path: str, file: str, place: str) -> ImageSource | None:
    """The image at a place in a file of many; None if a Parquet file has no such place."""
    if is_archive(file):
        from cnncli.images.tar_archive import TarMember

        return TarMember(path, file)
    from cnncli.images.parquet_images import parquet_image

    return parquet_image(file, place)


def listed_sources(paths: Iterable[str | Unreadable | None]) -> Iterator[ImageInput | None]:
    """The images of a list, in its order; what is unreadable already, and None, stay as they are.

    Images that follow each other in an archive that is best read in order are read in one pass, from where the last one was.
    """
    from cnncli.images.tar_archive import TarMember, walk_tar

    archive = ""
    members: Iterator[ImageInput] = iter(())
    for path in paths:
        source = image_source(path) if isinstance(path, str) else path
        if isinstance(source, TarMember) and is_read_in_order(source.archive):
            if source.archive != archive:
                archive, members = source.archive, walk_tar(source.archive)
            yield next((member for member in members if member.path == source.path), source)
        else:
            yield source


def sources(
    inputs: Iterable[str],
    stdin: BinaryIO | None = None,
    progress: Progress | None = None,
    *,
    reports_empty: bool = True,
    image_column: str | None = None,
) -> Iterator[ImageInput]:
    """The images that the arguments name, in the order of the arguments, sorted within each directory.

    Args:
        inputs: files, folders, tar archives, Parquet files, URLs of these, globs that no shell expanded, `-` for one image on
            standard input; each may have ranges such as `{000..099}`.
        stdin: where `-` is read from.
        progress: reports by-products of other programs that are skipped.
        reports_empty: whether a folder without images, which may be an unmounted disk or a typing error, is reported, too.
        image_column: column of images in Parquet files; None to find it.
    """
    for name in expand_ranges(inputs):
        skipped: Counter[str] = Counter()
        if name == STDIN:
            yield _read_stdin(stdin) if stdin else InMemory(STDIN, b"")
            continue
        images = _images_of(name, image_column, skipped)
        if first := next(images, None):
            yield first
            yield from images
        elif progress and reports_empty:
            progress.warning(f"no images in {name}")
        if progress and skipped:
            progress.notice(by_products_text(skipped, name))


def require_images(folder: str, option: str) -> list[ImageSource]:
    """The images in a folder, or the like, that an option names.

    Raises:
        InputError: there are none.
    """
    inputs = list(sources([folder]))
    images = [entry for entry in inputs if isinstance(entry, ImageSource)]
    if [image.path for image in images] == [folder] and not (is_url(folder) or os.path.exists(folder)):
        images, inputs = [], [Unreadable(folder, "no such folder")]
    if not images:
        problem = next((entry.reason for entry in inputs if isinstance(entry, Unreadable)), "no images")
        raise InputError(f"{option} {folder}: {problem}", "give a folder of images")
    return images


_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


def expand_ranges(words: Iterable[str]) -> Iterator[str]:
    """Words with ranges expanded, as a shell does outside quotes: `a-{00..12}.tar` is `a-00.tar` to `a-12.tar`."""
    for word in words:
        match = _RANGE.search(word)
        if match is None or os.path.lexists(word):
            yield word
            continue
        first, last = int(match[1]), int(match[2])
        width = max(map(len, match.groups())) if "0" in {match[1][0], match[2][0]} else 0
        numbers = range(first, last + 1) if first <= last else range(first, last - 1, -1)
        yield from expand_ranges(
            f"{word[: match.start()]}{number:0{width}}{word[match.end() :]}" for number in numbers
        )


def _images_of(name: str, image_column: str | None, skipped: Counter[str]) -> Iterator[ImageInput]:
    """The images of one input."""
    if is_url(name):
        return _remote_images(name, image_column, skipped)
    if os.path.isdir(name):
        return walk(name, skipped)
    if glob.has_magic(name) and not os.path.lexists(name):
        return _expand_glob(name, image_column)
    return _file_images(name, image_column)


def _file_images(name: str, image_column: str | None) -> Iterator[ImageInput]:
    """The images in a file, here or on a server: one, or those of an archive."""
    if is_archive(name):
        from cnncli.images.tar_archive import walk_tar

        yield from walk_tar(name)
    elif is_parquet(name):
        from cnncli.images.parquet_images import walk_parquet

        yield from walk_parquet(name, image_column)
    else:
        yield image_source(name)


def _remote_images(url: str, image_column: str | None, skipped: Counter[str]) -> Iterator[ImageInput]:
    """The images that a URL names: of a file, of a folder, or of all that match a pattern."""
    from cnncli import remote

    names = [url]
    try:
        if not remote.is_web(url) and glob.has_magic(url):
            names = remote.expand(url)
        folders = {name for name in names if _is_remote_folder(name)}
    except OSError as error:
        yield Unreadable(url, reason(error))
        return
    if not names:
        yield Unreadable(url, "no file matches this pattern")
    for name in names:
        yield from walk_remote(name, skipped) if name in folders else _file_images(name, image_column)


def _is_remote_folder(url: str) -> bool:
    """Whether a URL leads to a folder; the server is asked only where the name does not tell."""
    from cnncli import remote

    if _is_file_name(url) or remote.is_web(url):
        return False
    return url.endswith("/") or remote.is_folder(url)


def _is_file_name(url: str) -> bool:
    return is_image_name(url) or is_archive(url) or is_parquet(url)


def is_remote_listing(url: str) -> bool:
    """Whether a URL stands for whatever its server lists there: a folder or a pattern."""
    is_single = _CONTAINER.search(url) or (_is_file_name(url) and not glob.has_magic(url))
    return is_url(url) and not is_single


def walk_remote(root: str, skipped: Counter[str]) -> Iterator[ImageInput]:
    """The images below a folder on a server, in the order of `walk`.

    Args:
        root: its URL.
        skipped: counts the by-products of other programs that are skipped, by name.
    """
    from cnncli import remote
    from cnncli.images.remote_image import RemoteImage

    stack = [root]
    while stack:
        folder = stack.pop()
        try:
            files, folders = remote.listing(folder)
        except OSError as error:
            yield Unreadable(folder, reason(error))
            continue
        for file in files:
            if is_image_name(_last(file.url)):
                yield RemoteImage(file.url, file)
        skipped.update(BY_PRODUCTS.intersection(map(_last, (*(file.url for file in files), *folders))))
        stack.extend(url for url in reversed(folders) if is_folder_name(_last(url)))


def _last(url: str) -> str:
    return url.rpartition("/")[2]


def _read_stdin(stdin: BinaryIO) -> ImageInput:
    """The image on standard input, unless it has no end."""
    content = stdin.read(MAX_STDIN_BYTES + 1)
    if len(content) > MAX_STDIN_BYTES:
        return Unreadable(STDIN, f"more than {MAX_STDIN_BYTES >> 20} MB on standard input")
    return InMemory(STDIN, content)


def _expand_glob(pattern: str, image_column: str | None) -> Iterator[ImageInput]:
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
            yield from _file_images(match, image_column)


def _parents(path: str) -> Iterator[str]:
    """The folders above a path, the nearest first."""
    while (parent := os.path.dirname(path)) not in {"", path}:
        yield parent
        path = parent


@frozen_dataclass
class _Folder:
    """A folder to visit, with the identities (device, inode) of all folders above it."""

    path: str
    lineage: frozenset[tuple[int, int]]


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


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder. A link that cannot be followed counts as a file, and is then reported as unreadable."""
    try:
        return entry.is_dir()
    except OSError:
        return False
