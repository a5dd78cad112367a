"""`cnncli datasets`: common data sets, downloaded and written as labelled folders or lists."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli import completion, options, status
from cnncli.cli.console import Console, quiet_libraries, terminal_width, write_data
from cnncli.cli.groups import LIST, list_group
from cnncli.cli.options import ResultFormat
from cnncli.cli.progress import image_progress
from cnncli.errors import OutputError, UsageError
from cnncli.text import quote

datasets = list_group("datasets", {"download": "get", "fetch": "get", "pull": "get", "ls": "list"})


@datasets.command(LIST)
def list_datasets(
    format_: Annotated[
        ResultFormat, typer.Option("--format", "-f", help="Format of the list.")
    ] = ResultFormat.TABLE,
) -> None:
    """List common data sets. `cnncli datasets get NAME DEST` writes one as a labelled folder.

    \b
    Examples:
      cnncli datasets
      cnncli datasets get digits digits/
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    from cnncli.data.catalogue import DATA_SETS
    from cnncli.render.columns import Column, rows

    sets = list(DATA_SETS.values())
    if format_ is ResultFormat.JSON:
        fields = ("name", "description", "classes", "images", "size", "download_mb")
        document = [{name: getattr(item, name) for name in fields} for item in sets]
        write_data(json.dumps(document, indent=2) + "\n")
        return
    columns = [
        Column("name", [item.name for item in sets], importance=9),
        Column("description", [item.description for item in sets], importance=5),
        Column("classes", [f"{item.classes:,}" for item in sets], is_number=True, importance=7),
        Column("images", [f"{item.images:,}" for item in sets], is_number=True, importance=8),
        Column("size", [item.size for item in sets], importance=4),
        Column(
            "download",
            [f"{item.download_mb:,} MB" if item.download_mb else "nothing" for item in sets],
            is_number=True,
            importance=6,
        ),
    ]
    width = terminal_width()
    write_data("".join(f"{line}\n" for line in rows(columns, width)))


@datasets.command("get")
def get_dataset(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            autocompletion=completion.complete_data_set,
            help="Data set, as listed by `cnncli datasets`.",
            show_default=False,
        ),
    ],
    dest: Annotated[
        Path,
        typer.Argument(
            metavar="DEST", help="Folder to write; must be empty or not exist yet.", show_default=False
        ),
    ],
    shift: Annotated[
        int,
        typer.Option(
            "--shift", metavar="N", help="Shift each digit at random by up to N pixels (0 to 4; digits only)."
        ),
    ] = 0,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a data set as a labelled folder: one folder per class, within train/ and test/ where it has splits.

    Sets with several labels per image, or several tasks, are written as a folder of images and a list.csv.

    Downloads are kept in CNNCLI_HOME, can be resumed, and are verified with the checksums that torchvision publishes.
    """
    console = Console(quiet=quiet)
    if dest.resolve() == Path.cwd() or (dest.exists() and (not dest.is_dir() or any(dest.iterdir()))):
        raise OutputError(f"{dest} already exists", "name a folder that does not exist")
    with quiet_libraries(), console.spinner("writing the images"):
        from cnncli.data.archives import fetch
        from cnncli.data.catalogue import DIGITS, LIST_FILE, find_data_set, write_data_set
        from cnncli.networks.cache import home

        data_set = find_data_set(name)
        if shift and data_set.name != DIGITS:
            raise UsageError(f"--shift is for digits, not for {name}", "omit it")
        store = home() / "datasets"
        fetch(data_set.archives(), store, console, _bytes_bar(console), is_offline=offline)
        count = write_data_set(data_set, store, dest, shift, _images_bar(console))
    if data_set.listing:
        command = f"cnncli finetune {quote(dest / LIST_FILE)} {data_set.listing.options}"
        console.notice(f"wrote {count:,} images and their list; train on them with: {command}")
        return
    console.notice(
        f"wrote {count:,} images of {data_set.classes} classes; check them with: cnncli check {quote(dest)}"
    )


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
    """A function that opens a progress bar with the size and speed of a download."""

    @contextlib.contextmanager
    def bar(total: int | None) -> Iterator[Callable[[int], None]]:
        if not console.shows_bars:
            yield lambda _: None
            return
        from rich import progress

        display = progress.Progress(progress.DownloadColumn(), progress.TransferSpeedColumn())
        task = display.add_task("", total=total)
        with status.show(display.get_renderable):
            yield lambda count: display.update(task, advance=count)

    return bar
