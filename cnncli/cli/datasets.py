"""`cnncli datasets`: the sets that courses use, written as labelled folders."""

import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli import options
from cnncli.cli.console import Console, is_terminal, quiet_libraries, write_data
from cnncli.cli.groups import LIST, listing_by_default
from cnncli.cli.options import ResultFormat
from cnncli.cli.progress import image_progress
from cnncli.errors import OutputError, UsageError

datasets = listing_by_default("datasets")


@datasets.command(LIST)
def list_datasets(
    format_: Annotated[
        ResultFormat, typer.Option("--format", "-f", help="How to write the list.")
    ] = ResultFormat.TABLE,
) -> None:
    """List the sets that courses use. `cnncli datasets get NAME DEST` writes one as a labelled folder.

    \b
    Examples:
      cnncli datasets
      cnncli datasets get digits digits/
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    from cnncli.data.catalogue import SETS
    from cnncli.render.columns import Column, rows

    sets = list(SETS.values())
    if format_ is ResultFormat.JSON:
        fields = ("name", "told", "classes", "images", "size", "download")
        document = [{name: getattr(item, name) for name in fields} for item in sets]
        write_data(json.dumps(document, indent=2) + "\n")
        return
    columns = [
        Column("name", [item.name for item in sets], importance=9),
        Column("shows", [item.told for item in sets], importance=5),
        Column("classes", [f"{item.classes:,}" for item in sets], is_number=True, importance=7),
        Column("images", [f"{item.images:,}" for item in sets], is_number=True, importance=8),
        Column("size", [item.size for item in sets], importance=4),
        Column(
            "to download",
            [f"{item.download:,} MB" if item.download else "nothing" for item in sets],
            is_number=True,
            importance=6,
        ),
    ]
    width = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None
    write_data("".join(f"{line}\n" for line in rows(columns, width)))


@datasets.command("get")
def get_dataset(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="As `cnncli datasets` lists it.", show_default=False)
    ],
    dest: Annotated[
        Path,
        typer.Argument(metavar="DEST", help="The folder to write; it must not exist.", show_default=False),
    ],
    shift: Annotated[
        int, typer.Option("--shift", metavar="N", help="digits only: move each by up to N pixels, at most 4.")
    ] = 0,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a set as a labelled folder: a folder for each class, in train/ and test/ where the set has them.

    What is downloaded is kept in CNNCLI_HOME, goes on where it broke off, and is compared with the checksum that
    torchvision publishes.
    """
    console = Console(quiet=quiet)
    if dest.resolve() == Path.cwd() or (dest.exists() and (not dest.is_dir() or any(dest.iterdir()))):
        raise OutputError(f"{dest} already exists", "name a folder that is not")
    with quiet_libraries():
        from cnncli.data import catalogue
        from cnncli.networks.cache import home

        wanted = catalogue.find(name)
        if shift and wanted.name != catalogue.DIGITS:
            raise UsageError(f"--shift moves digits, not {name}", "leave it out")
        store = home() / "datasets"
        catalogue.fetch(wanted, store, console, _bytes_bar(console), is_offline=offline)
        written = catalogue.write(wanted, store, dest, shift, _images_bar(console))
    console.notice(f"wrote {written:,} images of {wanted.classes} classes; look at them: cnncli check {dest}")


def _images_bar(
    console: Console,
) -> Callable[[int | None], contextlib.AbstractContextManager[Callable[[int], None]]]:
    @contextlib.contextmanager
    def bar(total: int | None) -> Iterator[Callable[[int], None]]:
        with image_progress(console, lambda: total, 0, is_hidden=False) as advance:

            def advance_by(count: int) -> None:
                for _ in range(count):
                    advance()

            yield advance_by

    return bar


def _bytes_bar(
    console: Console,
) -> Callable[[int | None], contextlib.AbstractContextManager[Callable[[int], None]]]:
    """Megabytes that have come, and how fast."""

    @contextlib.contextmanager
    def bar(total: int | None) -> Iterator[Callable[[int], None]]:
        if not console.shows_bars:
            yield lambda _: None
            return
        import rich.console
        from rich import progress

        columns = (progress.DownloadColumn(), progress.TransferSpeedColumn())
        screen = rich.console.Console(stderr=True)
        with progress.Progress(*columns, console=screen, transient=True, redirect_stdout=False) as shown:
            task = shown.add_task("", total=total)
            yield lambda count: shown.update(task, advance=count)

    return bar
