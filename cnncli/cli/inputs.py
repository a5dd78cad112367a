"""What a user wants looked at, checked before any work begins."""

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


@dataclass(frozen=True, slots=True)
class Inputs:
    """Words of the command line, and a list of further paths.

    Attributes:
        words: files, folders, globs, `-`.
        files_from: a list of paths; `-` is standard input.
        is_null_separated: paths of the list end with NUL.
    """

    words: Sequence[str]
    files_from: str | None
    is_null_separated: bool

    @classmethod
    def checked(cls, words: Sequence[str], files_from: str | None, *, null: bool) -> "Inputs":
        """The inputs, if they make sense together.

        Raises:
            UsageError: there are none, or standard input is asked to be two things.
            InputError: there is no such list.
        """
        if not words and files_from is None:
            raise UsageError("there is nothing to look at", "give images, folders, -, or --files-from LIST")
        if null and files_from is None:
            raise UsageError("--null is about the list of --files-from, and there is none")
        if words.count(STDIN) + (files_from == STDIN) > 1:
            raise UsageError("standard input can only be read once", "give - once")
        if files_from is not None and files_from != STDIN:
            if not os.path.exists(files_from):  # noqa: PTH110 - says no where a name is too long, too
                raise InputError(f"cannot read the list {files_from}: no such file")
            if os.path.isdir(files_from):  # noqa: PTH112
                raise InputError(
                    f"cannot read the list {files_from}: it is a folder", f"give {files_from} itself"
                )
        return cls(words, files_from, null)

    def found(self, progress: Progress) -> Iterator[ImageInput | None]:
        """The images, in order; None where a list on a pipe keeps one waiting."""
        if self._reads_stdin and is_terminal(sys.stdin):
            progress.notice("reading standard input, until Ctrl-D")
        stdin = sys.stdin.buffer if sys.stdin else io.BytesIO()  # a closed one has nothing to say
        is_alone = len(self.words) == 1 and self.files_from is None  # then an empty folder is an error
        yield from sources.sources(self.words, stdin, None if is_alone else progress)
        if self.files_from is not None:
            with sources.open_list(self.files_from, stdin) as stream:
                yield from sources.read_list(stream, separator=b"\0" if self.is_null_separated else b"\n")

    def count(self) -> int | None:
        """How many images there are; None where only reading a pipe would tell, which could be done once."""
        if self._reads_stdin or not (self.files_from is None or os.path.isfile(self.files_from)):  # noqa: PTH113
            return None
        return sum(entry is not None for entry in self.found(NullProgress()))

    @property
    def _reads_stdin(self) -> bool:
        return STDIN in self.words or self.files_from == STDIN

    def none_found(self) -> InputError:
        """What to say where the inputs hold no image at all."""
        named = [word for word in self.words if word != STDIN]
        if self.files_from is not None:
            named.append("the list on standard input" if self.files_from == STDIN else self.files_from)
        return InputError(
            f"no images in {', '.join(named)}",
            "a folder's images are known by their endings, such as .jpg and .png",
        )
