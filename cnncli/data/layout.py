"""Labelled data: a folder with one folder per class, optionally within split folders, a list, or archives.

    root/train|val|test/CLASS/**        and similar names of the splits
    root/CLASS/**
    list.csv                            with the columns path and label (and optionally split); .tsv, .parquet
    train-{000..099}.tar, *.parquet     that hold the images and their labels

Each may be on a server. Only names and labels are read here; whether a file really is an image is known when it is opened.
"""

from pathlib import Path

from cnncli.data.folders import LAYOUTS, read_folder
from cnncli.data.groups import with_groups
from cnncli.data.lists import read_header, read_list
from cnncli.data.remote_folders import read_remote_folder
from cnncli.data.shards import find_shards, read_shards
from cnncli.errors import DataError, UsageError
from cnncli.images import parquet_file
from cnncli.images.file_names import is_parquet
from cnncli.images.path_list import is_table
from cnncli.records.data import DataPath, DataSet
from cnncli.records.list_columns import ListColumns
from cnncli.records.networks import CARD
from cnncli.remote import require_file_system
from cnncli.text import is_url, quote


def require_no_model_folder(data: Path) -> None:
    """Raise UsageError for a model folder, which is easily confused with the data."""
    if (data / CARD).is_file():
        raise UsageError(
            f"{data} is a model folder, not labelled images",
            f"give the folder of images without an option, and the model as -m {quote(data)}",
        )


def may_exist(data: DataPath) -> bool:
    """Whether there may be data; servers are not asked, and patterns not expanded."""
    name = str(data)
    return is_url(name) or any(character in name for character in "{*?[") or Path(name).exists()


def read(data: DataPath, columns: ListColumns | None = None) -> DataSet:
    """The labelled images of a folder, a list or archives.

    Args:
        data: a path, a URL, or a pattern or range of archives.
        columns: of a list or of Parquet files.

    Raises:
        DataError: it does not exist, has no labelled images, can be understood in two ways, or has no groups as named.
        UsageError: it is a model folder, or columns are named and it has none.
    """
    columns = columns or ListColumns()
    data_set = _read_any(str(data), columns)
    return with_groups(data_set, columns) if columns.group or columns.group_by else data_set


def _read_any(name: str, columns: ListColumns) -> DataSet:
    """The labelled images of a folder, a list or archives, without the groups that paths say."""
    if is_url(name):
        require_file_system(name)
    if files := find_shards(name):
        return read_shards(name, files, columns)
    if is_table(name) and not Path(name).is_dir():
        return read_list(name, columns)
    if not is_url(name) and not Path(name).exists():
        raise DataError(f"{name} does not exist", LAYOUTS)
    if options := columns.changed_options:
        raise UsageError(
            f"{' and '.join(options)}: {name} is not a list",
            "--group-by finds groups in paths" if columns.group else "leave that out, or give a list",
        )
    return read_remote_folder(name) if is_url(name) else _read_local(Path(name))


def column_names(data: DataPath) -> list[str] | None:
    """The names of the columns that labels may be in; None of a folder, empty where they cannot be known.

    Raises:
        DataError: there is no such data.
    """
    name = str(data)
    if files := find_shards(name):
        return parquet_file.column_names(files[0]) if is_parquet(files[0]) else []
    return read_header(name) if is_table(name) and not Path(name).is_dir() else None


def _read_local(data: Path) -> DataSet:
    if not data.is_dir():
        raise DataError(f"{data} is neither a folder nor a list (.csv, .tsv)", LAYOUTS)
    require_no_model_folder(data)
    return read_folder(data)
