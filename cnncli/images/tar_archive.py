"""Images in tar archives, as WebDataset and others write them: plain or compressed with gzip, on a disk or on a server.

Nothing is extracted: each image is read where it lies. Archives that are best read in order, because they are compressed or on a
server, are read once; the bytes of an image are then held in memory until it has been decoded.
"""

import contextlib
import functools
import gzip
import io
import tarfile
import threading
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import field, replace
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from cnncli import remote
from cnncli.dataclass import frozen_dataclass
from cnncli.images.container import container_stamp, open_container, reason
from cnncli.images.file_names import is_compressed, is_folder_name, is_image_name, is_read_in_order
from cnncli.images.section import WHOLE, Section, open_section
from cnncli.records.predictions import ImageSource, Stamp, Unreadable, UnreadableError
from cnncli.text import counted, is_url

_HELD = 16 << 20
"""Largest member in bytes that is held in memory; a larger one is read again when it is decoded."""

_ARCHIVES = 1024
"""Archives whose tables of contents are kept in memory, at 24 bytes per image."""

_BLOCK = tarfile.BLOCKSIZE


@frozen_dataclass
class TarMember(ImageSource):
    """An image in a tar archive; its path is that of the archive, a slash, and its name in the archive.

    Attributes:
        archive: path or URL of the archive.
        section: where the image lies in the archive, once it is decompressed; None until it is looked up.
        content: its bytes, if the archive is read in order.
    """

    archive: str
    section: Section | None = field(default=None, compare=False)
    content: bytes | None = field(default=None, repr=False, compare=False)

    @property
    def is_remote(self) -> bool:
        """Whether it is on a server, and its bytes are not here yet."""
        return self.content is None and is_url(self.archive)

    def open(self) -> BinaryIO:
        """Its bytes, from the archive or from memory."""
        if self.content:
            return io.BytesIO(self.content)
        section = self._section()
        if not section.size:
            raise UnreadableError("an empty file")
        if self.is_remote and not is_compressed(self.archive) and section.size <= WHOLE:
            return io.BytesIO(remote.read(self.archive, section.offset, section.offset + section.size))
        return open_section(_open_archive(self.archive), section)

    def stamp(self) -> Stamp | None:
        """The image's size and the times of the archive."""
        whole = container_stamp(self.archive)
        try:
            return replace(whole, size=self._section().size) if whole else None
        except (OSError, UnreadableError):
            return None

    def without_content(self) -> ImageSource:
        """The same member, which is read from the archive again."""
        return replace(self, content=None) if self.content else self

    def _section(self) -> Section:
        return self.section or _find_section(self.archive, self.path[len(self.archive) + 1 :])


def walk_tar(archive: str) -> Iterator[ImageSource | Unreadable]:
    """The images in an archive, in its order; one that cannot be read has a reason, and so has the end of a damaged archive."""
    count = 0
    try:
        is_held = is_read_in_order(archive)
        for entry in read_entries(archive, is_image_member, lambda _: is_held):
            path = f"{archive}/{entry.name}"
            if entry.problem:
                yield Unreadable(path, entry.problem)
            else:
                yield TarMember(path, archive, entry.section, entry.content)
            count += 1
    except (OSError, UnreadableError) as error:
        yield Unreadable(
            archive, f"{reason(error)}, after {counted(count, 'image')}" if count else reason(error)
        )


def is_image_member(name: str) -> bool:
    """Whether a file of an archive counts as an image, by its name alone; hidden folders do not count, as on a disk."""
    *folders, file = PurePosixPath(name).parts or ("",)
    return is_image_name(file) and all(is_folder_name(folder) or folder == ".." for folder in folders)


# ---- reading an archive in order


@frozen_dataclass
class Entry:
    """A file of an archive.

    Attributes:
        name: in the archive, without `./` before it.
        section: where its bytes are.
        problem: why it is not read; None if it can be.
        content: its bytes, if they are held.
    """

    name: str
    section: Section
    problem: str | None
    content: bytes | None


def read_entries(
    archive: str, is_wanted: Callable[[str], bool], holds_content: Callable[[str], bool]
) -> Iterator[Entry]:
    """Some files of an archive, in its order.

    Args:
        archive: path or URL.
        is_wanted: whether a file of this name is yielded.
        holds_content: whether the bytes of a file of this name are read as well, unless they are more than `_HELD`.

    Raises:
        OSError: it cannot be opened.
        UnreadableError: it is damaged or ends too early; what comes before has been yielded.
    """
    names: set[str] = set()
    with _open_archive(archive) as stream, _as_damage():
        for member in _members(stream):
            name = member.name.removeprefix("./")
            if member.isdir() or not is_wanted(name):
                continue
            section = Section(member.offset_data, member.size)
            problem = _problem(member, name, names)
            is_held = holds_content(name) and not problem and member.size <= _HELD
            names.add(name)
            yield Entry(name, section, problem, _content(stream, section) if is_held else None)


def _members(stream: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """The members of an archive; unlike tarfile, this tells an end from damage, and forgets members that have been yielded."""
    with tarfile.TarFile(fileobj=stream, encoding="utf-8") as tar:
        while member := tar.next():
            tar.members.clear()  # type: ignore[attr-defined] # which would grow with the archive
            yield member
        stream.seek(tar.offset)
        end = stream.read(_BLOCK)
    if len(end) < _BLOCK:
        raise UnreadableError("truncated" if end else "truncated, or written without an end mark")
    if any(end):
        raise UnreadableError("a damaged archive: what follows is not the header of a file")


@contextlib.contextmanager
def _as_damage() -> Iterator[None]:
    """Turn the errors of tarfile and gzip into an UnreadableError."""
    try:
        yield
    except EOFError as error:
        raise UnreadableError("truncated") from error
    except tarfile.ReadError as error:
        is_cut = "unexpected end" in str(error)
        raise UnreadableError("truncated" if is_cut else f"not a tar archive: {error}") from error
    except (tarfile.TarError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise UnreadableError(f"a damaged archive: {error}") from error


def _problem(member: tarfile.TarInfo, name: str, names: set[str]) -> str | None:
    """Why a member is not read; `names` are those of the members before it."""
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        return "its name leads out of the archive"
    if member.islnk() or member.issym():
        return "a link, not a file"
    if not member.isreg():
        return "a device, not a file"
    if member.issparse():
        return "stored as a sparse file, which is not read"
    return "a second file of the same name in the archive" if name in names else None


def _content(stream: BinaryIO, section: Section) -> bytes:
    stream.seek(section.offset)
    return stream.read(section.size)


def _open_archive(archive: str) -> BinaryIO:
    """The archive as a seekable stream, decompressed; seeking backwards in a compressed one starts again."""
    stream = open_container(archive)
    if not is_compressed(archive):
        return stream
    return cast("BinaryIO", io.BufferedReader(_Decompressed(stream), _BUFFER))


_BUFFER = 1 << 20
"""Bytes of a compressed archive that are kept, decompressed, so that a step back to a header costs nothing."""


class _Decompressed(gzip.GzipFile):
    """A decompressed stream that closes the compressed one."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(fileobj=stream, mode="rb")
        self.myfileobj = stream  # type: ignore[assignment] # what it closes in the end

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        """As much as is decompressed at a time: what comes before a cut is not lost."""
        content = self.read1(len(buffer))
        buffer[: len(content)] = content
        return len(content)


# ---- finding a member by its name


@frozen_dataclass
class _Contents:
    """The table of contents of an archive: hashes of names, sorted, with the places of the members."""

    names: "array[int]"
    offsets: "array[int]"
    sizes: "array[int]"
    problem: str | None


def _find_section(archive: str, name: str) -> Section:
    """Where a member lies in an archive.

    Raises:
        OSError: the archive cannot be opened.
        UnreadableError: it has no such member.
    """
    with _LOCK:
        contents = _contents(archive, container_stamp(archive))
    key = hash(name)
    row = bisect_left(contents.names, key)
    if row == len(contents.names) or contents.names[row] != key:
        raise UnreadableError(
            "no such file in the archive" + (f": {contents.problem}" if contents.problem else "")
        )
    return Section(contents.offsets[row], contents.sizes[row])


_LOCK = threading.Lock()
"""Held while an archive is read through, so that each is read once."""


@functools.lru_cache(maxsize=_ARCHIVES)
def _contents(archive: str, _: Stamp | None) -> _Contents:
    """The table of contents of an archive with a stamp."""
    rows: list[tuple[int, int, int]] = []
    problem = None
    try:
        entries = read_entries(archive, is_image_member, lambda _: False)
        rows.extend(
            (hash(entry.name), entry.section.offset, entry.section.size)
            for entry in entries
            if not entry.problem
        )
    except UnreadableError as error:
        problem = str(error)
    rows.sort()
    names, offsets, sizes = (array("q", [row[column] for row in rows]) for column in range(3))
    return _Contents(names, offsets, sizes, problem)
