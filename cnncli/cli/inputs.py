"""The input images of a command, checked before any work begins."""

import glob
import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from cnncli.cli.console import is_terminal
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import InputError, UsageError
from cnncli.images import path_list, sources
from cnncli.images.file_names import STDIN, is_archive, is_image_name, is_parquet, is_read_in_order
from cnncli.images.sources import ImageInput
from cnncli.records.defaults import PATH_COLUMN
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import NullProgress, Progress
from cnncli.text import is_url, quote

if TYPE_CHECKING:
    from cnncli.distribution.plan import PlanInputs
    from cnncli.images.watch import FolderWatch


@frozen_dataclass
class Inputs:
    """The arguments of a command, and a list of further paths.

    Attributes:
        arguments: files, folders, globs, `-`.
        files_from: a file with a list of paths; `-` is standard input.
        is_null_separated: whether the paths in the list end with NUL.
        path_column: column of the paths, if the list is a table.
        image_column: column of the images in Parquet files; None to find it.
        watch: a folder whose new images follow as they arrive; None for none.
    """

    arguments: Sequence[str] = ()
    files_from: str | None = None
    is_null_separated: bool = False
    path_column: str = PATH_COLUMN
    image_column: str | None = None
    watch: "FolderWatch | None" = None

    @classmethod
    def from_options(
        cls,
        arguments: Sequence[str],
        files_from: str | None,
        *,
        null: bool,
        path_column: str = PATH_COLUMN,
        image_column: str | None = None,
        watch: str | None = None,
    ) -> "Inputs":
        """The inputs, after checking them.

        Raises:
            UsageError: there are none, standard input would be read twice, or an option has no effect.
            InputError: the list, or a Parquet file, cannot be read.
            MissingPackageError: a package for a kind of input is not installed.
        """
        if not arguments and files_from is None and watch is None:
            raise UsageError("no input given", "give images, folders, -, or --files-from LIST")
        if watch is not None and not os.path.isdir(watch):  # noqa: PTH112 - also False for a name that is too long
            raise InputError(f"cannot watch {watch}: no such folder on this machine")
        if null and files_from is None:
            raise UsageError("--null has no effect without --files-from")
        if arguments.count(STDIN) + (files_from == STDIN) > 1:
            raise UsageError("standard input can only be read once", "give - once")
        if path_column != PATH_COLUMN and not (files_from and path_list.is_table(files_from)):
            raise UsageError("--path-column is for a --files-from list that is a CSV, TSV or Parquet file")
        if image_column is not None and not any(map(is_parquet, arguments)):
            raise UsageError("--image-column is for inputs that are Parquet files")
        for word in arguments:
            _require_usable(word, image_column)
        inputs = cls(arguments, files_from, null, path_column, image_column, _watched(watch))
        if files_from is not None and files_from != STDIN:
            inputs._require_list(files_from)
        return inputs

    def _require_list(self, files_from: str) -> None:
        """Check that the list exists, and that a table has the column of the paths."""
        if is_url(files_from):
            _require_file_system(files_from)
        elif not os.path.exists(files_from):  # noqa: PTH110 - also False for a name that is too long
            raise InputError(f"cannot read the list {files_from}: no such file")
        elif os.path.isdir(files_from):  # noqa: PTH112
            raise InputError(
                f"cannot read the list {files_from}: it is a folder", f"give {files_from} itself"
            )
        if is_image_name(files_from) or is_archive(files_from):
            kind = "an image" if is_image_name(files_from) else "an archive"
            raise InputError(f"{files_from} is {kind}, not a list of paths", f"give {files_from} itself")
        if path_list.is_table(files_from):
            next(self._paths(io.BytesIO()), None)

    def _paths(self, stdin: BinaryIO) -> Iterator[str | None]:
        """The paths in the list."""
        separator = b"\0" if self.is_null_separated else b"\n"
        return path_list.read_paths(
            self.files_from or STDIN, stdin, separator=separator, path_column=self.path_column
        )

    def __str__(self) -> str:
        """The inputs as they are typed."""
        words = list(map(quote, self.arguments))
        if self.files_from is not None:
            words += ["--files-from", quote(self.files_from), *(["-0"] if self.is_null_separated else [])]
        if self.path_column != PATH_COLUMN:
            words += ["--path-column", quote(self.path_column)]
        if self.image_column is not None:
            words += ["--image-column", quote(self.image_column)]
        return " ".join(words)

    def begin(self) -> None:
        """Note which images of a watched folder are there already: what arrives from now on is new."""
        if self.watch:
            self.watch.start()

    def sources(self, progress: Progress) -> Iterator[ImageInput | None]:
        """The images, in order; None while a list on a pipe is silent, or nothing arrives in a watched folder."""
        if self.watch:
            for entry in self._given(progress):
                if entry:
                    self.watch.skip(entry)
                yield entry
            yield from self.watch.arrivals(progress)
        else:
            yield from self._given(progress)

    def _given(self, progress: Progress) -> Iterator[ImageInput | None]:
        """The images that the arguments and the list name, in order."""
        if self._reads_stdin and is_terminal(sys.stdin):
            progress.notice("reading standard input (end with Ctrl-D)")
        stdin = sys.stdin.buffer if sys.stdin else io.BytesIO()  # closed
        is_alone = len(self.arguments) == 1 and self.files_from is None  # then an empty folder is an error
        yield from sources.sources(
            self.arguments, stdin, progress, reports_empty=not is_alone, image_column=self.image_column
        )
        if self.files_from is not None:
            yield from sources.listed_sources(self._paths(stdin))

    def count(self) -> int | None:
        """The number of images; None if only reading a pipe, a server or a compressed archive could tell."""
        if self._reads_stdin or not (self.files_from is None or os.path.isfile(self.files_from)):  # noqa: PTH113
            return None
        if any(is_url(word) or (is_archive(word) and is_read_in_order(word)) for word in self.arguments):
            return None
        return sum(entry is not None for entry in self.sources(NullProgress()))

    def for_parts(self) -> "PlanInputs":
        """The inputs of an output in parts.

        Raises:
            UsageError: one of them is an image on standard input, which cannot be read again.
        """
        from cnncli.distribution.plan import PlanInputs

        if STDIN in self.arguments:
            raise UsageError("an image on standard input cannot be read again", "leave out --parts")
        list_file = None if self.arguments else self.files_from
        return PlanInputs(str(self), lambda: self.sources(NullProgress()), list_file, self._separator)

    @property
    def _separator(self) -> bytes:
        return b"\0" if self.is_null_separated else b"\n"

    @property
    def _reads_stdin(self) -> bool:
        return STDIN in self.arguments or self.files_from == STDIN

    def no_images_error(self) -> InputError:
        """The error for inputs without an image."""
        if self.watch:
            return InputError(f"no image has arrived in {self.watch.folder}")
        names = [name for name in self.arguments if name != STDIN]
        if self.files_from is not None:
            names.append("the list on standard input" if self.files_from == STDIN else self.files_from)
        return InputError(
            f"no images in {', '.join(names)}",
            _archives_hint(names)
            or "images in folders are recognised by their endings, such as .jpg and .png",
        )


def _archives_hint(names: Sequence[str]) -> str | None:
    """A hint to the archives in a folder without images, which are inputs of their own; None where there are none."""
    for folder in filter(os.path.isdir, names):
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 - names are enough
            if is_archive(name) or is_parquet(name):
                pattern = os.path.join(folder, f"*{os.path.splitext(name)[1]}")  # noqa: PTH118, PTH122 - strings
                return f"it holds {name}: archives are inputs of their own, as in {pattern}"
    return None


def _watched(folder: str | None) -> "FolderWatch | None":
    if folder is None:
        return None
    from cnncli.images.watch import FolderWatch

    return FolderWatch(folder)


def _require_file_system(url: str) -> None:
    from cnncli.remote import require_file_system

    require_file_system(url)


def _require_usable(word: str, image_column: str | None) -> None:
    """Check an argument, as far as that can be done before any work.

    Raises:
        InputError: a Parquet file cannot be read, or has no column of images.
        MissingPackageError: the package for its kind is not installed.
        UsageError: no file system has the scheme of a URL.
    """
    if is_url(word):
        _require_file_system(word)
    if is_parquet(word):
        from cnncli.images.parquet_file import require_pyarrow
        from cnncli.images.parquet_images import walk_parquet

        require_pyarrow()
        name = next(sources.expand_ranges([word]))  # of a range, only the first
        first = None if glob.has_magic(name) else next(walk_parquet(name, image_column), None)
        if isinstance(first, Unreadable):
            raise InputError(f"{name}: {first.reason}")
