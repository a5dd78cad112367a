"""What the commands that draw have in common: where a picture goes, and whether it is shown."""

import os
import shutil
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli.console import Console, is_terminal, write_data
from cnncli.errors import UsageError
from cnncli.files.place import require_free
from cnncli.images.sources import STDIN
from cnncli.text import counted

if TYPE_CHECKING:
    from cnncli.records.pictures import Plate

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where the picture goes, a PNG; a name that ends in .npz gets the numbers behind it instead.",
    ),
]
Show = Annotated[bool, typer.Option("--show", help="Open the picture in a viewer.")]
Rough = Annotated[
    bool, typer.Option("--ascii", help="Print a rough view in characters; no file is written without -o.")
]

_PICTURE, _NUMBERS = ".png", ".npz"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a plate goes."""

    file: Path | None
    is_shown: bool
    is_rough: bool

    @classmethod
    def checked(
        cls, file: Path | None, default: str, *, overwrite: bool, show: bool, rough: bool
    ) -> "Destination":
        """A place that can be written, found out before anything is computed.

        Args:
            file: as asked for; None for `default` in the current folder, or for nothing but the view in characters.
            default: a file's name without its ending.
            overwrite: what is there may be replaced.
            show: open it in the end.
            rough: print a view in characters.

        Raises:
            UsageError: a file that is neither a PNG nor an NPZ.
            OutputError: there is no such folder, or something is in its place.
        """
        if file is None and rough and not show:
            return cls(None, show, rough)
        file = file or Path(f"{default}{_PICTURE}")
        if file.suffix.lower() not in {_PICTURE, _NUMBERS}:
            raise UsageError(
                f"--output {file} is neither a .png nor an .npz", "give a name that ends in one of them"
            )
        if file.suffix.lower() == _NUMBERS and (show or rough):
            raise UsageError("--show and --ascii are for pictures, and an .npz holds numbers", "write a .png")
        require_free(file, overwrite=overwrite, hint="--overwrite replaces it, -o writes elsewhere")
        return cls(file, show, rough)

    @classmethod
    def of_sheet(cls, file: Path, *, overwrite: bool) -> "Destination":
        """A place for `--sheet`, beside what is printed.

        Raises:
            UsageError: a file that is no PNG.
            OutputError: there is no such folder, or something is in its place.
        """
        if file.suffix.lower() != _PICTURE:
            raise UsageError(f"--sheet {file}: a sheet is a PNG", "give a name that ends in .png")
        return cls.checked(file, "", overwrite=overwrite, show=False, rough=False)

    def write(self, plate: "Plate", console: Console) -> None:
        """Draw the plate, or write its numbers.

        Raises:
            OutputError: the file cannot be written.
        """
        if self.file and self.file.suffix.lower() == _NUMBERS:
            from cnncli.render.numbers import plate_npz

            self._fill(plate_npz(plate), f" ({counted(len(plate.panels), 'array')})", console)
            return
        from cnncli.render.plates import plate_png

        png = plate_png(plate)
        self._fill(png, "", console)
        self._preview(png)
        if self.is_shown and self.file and not webbrowser.open(self.file.resolve().as_uri()):
            console.warning(f"nothing here opens pictures; {self.file} is there")

    def _fill(self, content: bytes, what: str, console: Console) -> None:
        from cnncli.files.whole import write_whole

        if self.file:
            write_whole(self.file, content)
            console.notice(f"saved {self.file}{what}")

    def _preview(self, png: bytes) -> None:
        from cnncli.render import terminal_picture

        inline = terminal_picture.inline(png, os.environ) if is_terminal(sys.stdout) else None
        if inline:
            write_data(inline)
        elif self.is_rough:
            has_colours = is_terminal(sys.stdout) and not os.environ.get("NO_COLOR")
            columns = min(shutil.get_terminal_size().columns, 100)
            write_data(terminal_picture.rough(png, columns, has_colours=has_colours))


def file_name(*words: str) -> str:
    """A file's name of what it shows: letters, digits, dots and dashes."""
    plain = (
        "".join(letter if letter.isalnum() or letter in "._" else "-" for letter in word) for word in words
    )
    return "-".join(word.strip("-") for word in plain if word.strip("-"))[:80]


def stem(path: str) -> str:
    """A file's name without its folder and its ending; that of an image on standard input is `image`."""
    return Path(path).stem if path != STDIN else "image"
