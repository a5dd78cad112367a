"""Labelled data on disk: a folder with one folder per class, optionally within split folders, or a CSV or TSV list.

    root/train|val|test/CLASS/**        and similar names of the splits
    root/CLASS/**
    list.csv with the columns path and label (and optionally split)

Only names are read here; whether a file really is an image is known when it is opened.
"""

from pathlib import Path

from cnncli.data.folders import LAYOUTS, read_folder
from cnncli.data.lists import ListColumns, read_list
from cnncli.errors import DataError, UsageError
from cnncli.records.data import DataSet
from cnncli.records.networks import CARD
from cnncli.text import SEPARATORS, quote


def require_no_model_folder(data: Path) -> None:
    """Raise UsageError for a model folder, which is easily confused with the data."""
    if (data / CARD).is_file():
        raise UsageError(
            f"{data} is a model folder, not labelled images",
            f"give the folder of images without an option, and the model as -m {quote(data)}",
        )


def read(data: Path, columns: ListColumns | None = None) -> DataSet:
    """The labelled images of a folder or list.

    Args:
        data: a folder, or a file that ends in .csv or .tsv.
        columns: of a list.

    Raises:
        DataError: it does not exist, has no labelled images, or can be understood in two ways.
        UsageError: it is a model folder, or columns are named and it is not a list.
    """
    if data.suffix.lower() in SEPARATORS and not data.is_dir():
        return read_list(data, columns or ListColumns())
    if not data.exists():
        raise DataError(f"{data} does not exist", LAYOUTS)
    if columns not in {None, ListColumns()}:
        raise UsageError(
            f"{data} is not a list, and --path-column, --label-column, --split-column and --root are for lists"
        )
    if not data.is_dir():
        raise DataError(f"{data} is neither a folder nor a list (.csv, .tsv)", LAYOUTS)
    require_no_model_folder(data)
    return read_folder(data)
