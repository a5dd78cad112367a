"""The input images of a command, checked before any work begins."""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cnncli.cli.console import is_terminal
from cnncli.errors import InputError, UsageError
from cnncli.images import sources
from cnncli.images.sources import STDIN, ImageInput
from cnncli.records.progress import NullProgress, Progress
from cnncli.text import quote


@dataclass(frozen=True, slots=True)
class Inputs:
    """The arguments of a command, and a list of further paths.

    Attributes:
        arguments: files, folders, globs, `-`.
        files_from: a file with a list of paths; `-` is standard input.
        is_null_separated: whether the paths in the list end with NUL.
    """

    arguments: Sequence[str]
    files_from: str | None
    is_null_separated: bool

    @classmethod
    def from_options(cls, arguments: Sequence[str], files_from: str | None, *, null: bool) -> "Inputs":
        """The inputs, after checking them.

        Raises:
            UsageError: there are none, or standard input would be read twice.
            InputError: the list does not exist.
        """
        if not arguments and files_from is None:
            raise UsageError("no input given", "give images, folders, -, or --files-from LIST")
        if null and files_from is None:
            raise UsageError("--null has no effect without --files-from")
        if arguments.count(STDIN) + (files_from == STDIN) > 1:
            raise UsageError("standard input can only be read once", "give - once")
        if files_from is not None and files_from != STDIN:
            if not os.path.exists(files_from):  # noqa: PTH110 - also False for a name that is too long
                raise InputError(f"cannot read the list {files_from}: no such file")
            if os.path.isdir(files_from):  # noqa: PTH112
                raise InputError(
                    f"cannot read the list {files_from}: it is a folder", f"give {files_from} itself"
                )
        return cls(arguments, files_from, null)

    def __str__(self) -> str:
        """The inputs as they are typed."""
        words = list(map(quote, self.arguments))
        if self.files_from is not None:
            words += ["--files-from", quote(self.files_from), *(["-0"] if self.is_null_separated else [])]
        return " ".join(words)

    def sources(self, progress: Progress) -> Iterator[ImageInput | None]:
        """The images, in order; None while a list on a pipe is silent."""
        if self._reads_stdin and is_terminal(sys.stdin):
            progress.notice("reading standard input (end with Ctrl-D)")
        stdin = sys.stdin.buffer if sys.stdin else io.BytesIO()  # closed
        is_alone = len(self.arguments) == 1 and self.files_from is None  # then an empty folder is an error
        yield from sources.sources(self.arguments, stdin, progress, reports_empty=not is_alone)
        if self.files_from is not None:
            with sources.open_list(self.files_from, stdin) as stream:
                yield from sources.read_list(stream, separator=b"\0" if self.is_null_separated else b"\n")

    def count(self) -> int | None:
        """The number of images; None if only reading a pipe could tell."""
        if self._reads_stdin or not (self.files_from is None or os.path.isfile(self.files_from)):  # noqa: PTH113
            return None
        return sum(entry is not None for entry in self.sources(NullProgress()))

    @property
    def _reads_stdin(self) -> bool:
        return STDIN in self.arguments or self.files_from == STDIN

    def no_images_error(self) -> InputError:
        """The error for inputs without an image."""
        names = [name for name in self.arguments if name != STDIN]
        if self.files_from is not None:
            names.append("the list on standard input" if self.files_from == STDIN else self.files_from)
        return InputError(
            f"no images in {', '.join(names)}",
            "images in folders are recognised by their endings, such as .jpg and .png",
        )
