"""Options of the commands that draw pictures: where a picture is saved, and whether it is shown."""

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli.console import Console, is_terminal, write_data
from cnncli.cli.option_groups import OptionGroup
from cnncli.cli.options import Overwrite
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.files.output_path import require_free
from cnncli.images.file_names import STDIN
from cnncli.text import counted

if TYPE_CHECKING:
    from cnncli.records.pictures import Figure

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Save the picture to this PNG file; a name that ends in .npz saves the plotted values instead.",
    ),
]
Show = Annotated[bool, typer.Option("--show", help="Open the picture in an image viewer.")]
Rough = Annotated[
    bool,
    typer.Option("--ascii", help="Print the picture as characters; without -o, no file is saved."),
]

_PNG, _NPZ = ".png", ".npz"


@frozen_dataclass
class PictureDestination:
    """Where a figure is saved and shown.

    Attributes:
        file: a PNG or an NPZ; None for none.
        overwrite: replace an existing file.
        is_shown: open the picture in an image viewer.
        is_rough: print the picture as characters.
    """

    file: Path | None
    overwrite: bool
    is_shown: bool
    is_rough: bool

    @classmethod
    def resolve(
        cls, file: Path | None, default: str, *, overwrite: bool, show: bool, rough: bool
    ) -> "PictureDestination":
        """The destination that the options name; checked before anything is computed.

        Args:
            file: `--output`; None for `default` in the current folder, or for no file with `rough` alone.
            default: a file name without suffix.
            overwrite: replace an existing file.
            show: open the picture in an image viewer.
            rough: print the picture as characters.

        Raises:
            UsageError: the file is neither a PNG nor an NPZ.
            OutputError: its folder does not exist, or the file does.
        """
        if file is None and rough and not show:
            return cls(None, overwrite, show, rough)
        file = file or Path(f"{default}{_PNG}")
        if file.suffix.lower() not in {_PNG, _NPZ}:
            raise UsageError(
                f"--output {file} is neither a .png nor an .npz", "use a name that ends in one of them"
            )
        if file.suffix.lower() == _NPZ and (show or rough):
            raise UsageError("--show and --ascii do not work with .npz, which holds numbers", "write a .png")
        require_free(file, overwrite=overwrite, hint="--overwrite replaces it, -o writes elsewhere")
        return cls(file, overwrite, show, rough)

    @classmethod
    def resolve_sheet(cls, file: Path, *, overwrite: bool) -> "PictureDestination":
        """The destination of `--sheet`.

        Raises:
            UsageError: the file is not a PNG.
            OutputError: its folder does not exist, or the file does.
        """
        if file.suffix.lower() != _PNG:
            raise UsageError(f"--sheet {file} is not a .png", "use a name that ends in .png")
        return cls.resolve(file, "", overwrite=overwrite, show=False, rough=False)

    def write(self, figure: "Figure", console: Console) -> None:
        """Save and show the figure; for an NPZ, save its values.

        Raises:
            OutputError: the file cannot be written.
        """
        if self.file and self.file.suffix.lower() == _NPZ:
            from cnncli.render.figure_values import figure_npz

            self._save(figure_npz(figure), f" ({counted(len(figure.panels), 'array')})", console)
            return
        from cnncli.render.figures import figure_png

        png = figure_png(figure)
        self._save(png, "", console)
        self._print(png)
        if self.is_shown and self.file and not _open_viewer(self.file):
            console.warning(f"no image viewer available; open {self.file} yourself")

    def _save(self, content: bytes, remark: str, console: Console) -> None:
        from cnncli.files.whole import write_whole

        if self.file:
            write_whole(self.file, content, overwrite=self.overwrite)
            console.notice(f"saved {self.file}{remark}")

    def _print(self, png: bytes) -> None:
        from cnncli.render import terminal_picture

        inline = terminal_picture.inline(png, os.environ) if is_terminal(sys.stdout) else None
        if inline:
            write_data(inline, is_styled=True)
        elif self.is_rough:
            has_colours = is_terminal(sys.stdout) and not os.environ.get("NO_COLOR")
            columns = min(shutil.get_terminal_size().columns, 100)
            write_data(terminal_picture.rough(png, columns, has_colours=has_colours), is_styled=True)


@frozen_dataclass
class PictureOptions(OptionGroup):
    """Where a picture goes."""

    output: Output = None
    show: Show = False
    rough: Rough = False
    overwrite: Overwrite = False

    def destination(self, *words: str) -> PictureDestination:
        """Where it goes, with a file name of these words as the default; as `PictureDestination.resolve`."""
        return PictureDestination.resolve(
            self.output,
            file_name(*words),
            overwrite=self.overwrite,
            show=self.show,
            rough=self.rough,
        )


def file_name(*words: str) -> str:
    """A file name without suffix from words that describe the content: letters, digits, dots, dashes and underscores."""
    plain = (
        "".join(letter if letter.isalnum() or letter in "._" else "-" for letter in word) for word in words
    )
    return "-".join(word.strip("-") for word in plain if word.strip("-"))[:80]


def stem(path: str) -> str:
    """A file name without folder and suffix; `image` for standard input."""
    return Path(path).stem if path != STDIN else "image"


def _open_viewer(file: Path) -> bool:
    """Open a picture in an image viewer; whether there is one."""
    import webbrowser  # takes a while to import

    return webbrowser.open(file.resolve().as_uri())
