"""Labelled images in tar archives and Parquet files, each of which may be one of many.

    train-{000..099}.tar            a label beside each image: 0001.jpg, 0001.cls or 0001.json; or class folders
    train-00000-of-00012.parquet    a column of images, and one of labels

The split is in the names of the files, or in a column.
"""

import glob
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from cnncli import remote
from cnncli.data.labelled import LabelledImage, build_data_set
from cnncli.data.labels import Cell, LabelReader, Labels, text_of
from cnncli.data.path_labels import PlacedImage, label_by_folders
from cnncli.data.split_names import split_of_name
from cnncli.errors import DataError
from cnncli.images.container import reason
from cnncli.images.file_names import is_archive, is_compressed, is_parquet
from cnncli.images.parquet_file import column_names, holds_images, is_slow_in_any_order, read_rows
from cnncli.images.parquet_images import walk_parquet
from cnncli.images.sources import expand_ranges
from cnncli.images.tar_archive import TarMember, is_image_member, read_entries
from cnncli.records.data import DataSet, Split
from cnncli.records.list_columns import ListColumns
from cnncli.records.predictions import Unreadable, UnreadableError
from cnncli.text import counted, is_url, parse_json, path_text

_LABEL_ENDINGS = (".cls", ".json")


def find_shards(data: str) -> list[str]:
    """The archives and Parquet files that a word names: one, a pattern or range of them, or a folder of nothing else.

    Raises:
        DataError: a pattern has no match, or a server cannot be asked.
    """
    try:
        names = [name for word in expand_ranges([data]) for name in _matches(word)]
        if len(names) == 1 and not _is_shard(names[0]):
            names = _folder_shards(names[0])
        if names and all(map(_is_shard, names)):
            return names if len(names) > 1 or not _is_list(names[0]) else []
    except (OSError, UnreadableError) as error:
        raise DataError(f"cannot read {data}: {reason(error)}") from error
    if names != [data] and len(names) > 1:
        other = next(name for name in names if not _is_shard(name))
        raise DataError(
            f"{data} names {other}, which is no archive", "give one folder, or .tar or .parquet files"
        )
    return []


def _is_shard(name: str) -> bool:
    return is_archive(name) or is_parquet(name)


def _is_list(name: str) -> bool:
    """Whether a Parquet file lists paths instead of holding images."""
    return is_parquet(name) and not holds_images(name)


def _matches(word: str) -> list[str]:
    """The files that a pattern matches; a word that is none matches itself."""
    if not glob.has_magic(word) or remote.is_web(word) or os.path.lexists(word):
        return [word]
    names = remote.expand(word) if is_url(word) else sorted(glob.glob(word, recursive=True))  # noqa: PTH207 - strings
    if not names:
        raise DataError(f"no file matches {word}")
    return names


def _folder_shards(folder: str) -> list[str]:
    """The archives and Parquet files of a folder that has no folders in it, such as `data/` of a Hugging Face data set."""
    if is_url(folder):
        if not remote.is_folder(folder):
            return []
        files, folders = remote.listing(folder)
        return [file.url for file in files if _is_shard(file.url)] if not folders else []
    if not os.path.isdir(folder):  # noqa: PTH112 - also False for a name that is too long
        return []
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    if any(entry.is_dir() and not entry.name.startswith(".") for entry in found):
        return []
    return [entry.path for entry in found if _is_shard(entry.name)]


def read_shards(data: str, files: Sequence[str], columns: ListColumns) -> DataSet:
    """The labelled images of archives and Parquet files.

    Args:
        data: as the user typed it.
        files: paths or URLs.
        columns: names of the columns of labels, splits and images; in an archive's .json files, the label has that name, too.

    Raises:
        DataError: one cannot be read, or there are no labelled images.
    """
    reader, remarks = LabelReader(columns), list[str]()
    images: list[LabelledImage] = []
    placed: list[PlacedImage] = []
    for file in files:
        try:
            if is_parquet(file):
                images += _parquet_images(file, reader, remarks)
            else:
                found = list(_tar_images(file, reader, remarks))
                images += [image for image in found if isinstance(image, LabelledImage)]
                placed += [image for image in found if isinstance(image, PlacedImage)]
        except (OSError, UnreadableError) as error:
            raise DataError(f"cannot read {file}: {reason(error)}") from error
    if images and placed:
        remarks.append(f"left out: {counted(len(placed), 'image')} of {data} without a label beside it")
    elif placed and not columns.tasks:
        images = label_by_folders(placed, data, remarks)
    if not images:
        raise DataError(
            f"no labelled images in {data}",
            "an image 0001.jpg has its label in 0001.cls or 0001.json beside it, or is in a folder of its class",
        )
    if any(image.split for image in images):
        images = [image if image.split else replace(image, split=Split.TRAIN) for image in images]
    return build_data_set(_name(data), _root(files), images, remarks, columns.tasks)


def _split(file: str) -> Split | None:
    """The split in the name of a file: `imagenet-train-000.tar`."""
    words = re.split(r"[-_.]", PurePosixPath(file).name)
    return next((split for word in words if (split := split_of_name(word))), None)


def _name(data: str) -> str:
    """The name of a data set: that of its files, up to a range or pattern."""
    stem = re.split(
        r"[{*?\[]|\.(?:tar|tgz|parquet)", PurePosixPath(data.rstrip("/")).name, flags=re.IGNORECASE
    )[0]
    return path_text(stem.strip("-_. ")) or "data"


def _root(files: Sequence[str]) -> str:
    """The folder that all files are in."""
    if not is_url(files[0]):
        return os.path.commonpath([Path(file).parent for file in files])
    scheme = remote.scheme_of(files[0])
    return (
        f"{scheme}://{posixpath.commonpath([file.partition('://')[2].rpartition('/')[0] for file in files])}"
    )


# ---- tar archives


def _tar_images(file: str, reader: LabelReader, remarks: list[str]) -> Iterator[LabelledImage | PlacedImage]:
    """The images of an archive: with the label beside them, or with their folders if there is none."""
    if is_compressed(file):
        raise DataError(
            f"{file} is compressed, so its images cannot be read in any order",
            "decompress it: gunzip makes a .tar",
        )
    split, labels, found, skipped = _split(file), dict[str, Labels](), list[TarMember](), 0
    try:
        for entry in read_entries(file, _is_used, _is_label):
            if entry.problem:
                skipped += 1
            elif _is_label(entry.name):
                if label := _read_labels(f"{file}/{entry.name}", entry.content or b"", reader):
                    labels[_key(entry.name)] = label
            else:
                found.append(TarMember(f"{file}/{entry.name}", file, entry.section))
    except UnreadableError as error:
        remarks.append(f"{file} is left out from image {len(found) + 1:,} on: {error}")
    if skipped:
        remarks.append(f"left out: {counted(skipped, 'file')} of {file} that `predict` gives reasons for")
    for member in found:
        name = member.path[len(file) + 1 :]
        label = labels.get(_key(name))
        yield (
            LabelledImage(member, label.label, split, label.answers, label.group)
            if label
            else PlacedImage(member, PurePosixPath(name).parts[:-1], split)
        )


def _is_used(name: str) -> bool:
    return is_image_member(name) or _is_label(name)


def _is_label(name: str) -> bool:
    return name.lower().endswith(_LABEL_ENDINGS)


def _key(name: str) -> str:
    """What the files that belong together have in common: everything up to the first dot of the file's name."""
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}{file.partition('.')[0]}"


def _read_labels(path: str, content: bytes, reader: LabelReader) -> Labels | None:
    """The labels in a .cls or .json file; None if it has none.

    Raises:
        DataError: it is no label.
    """
    try:
        value: object = content.decode()
        if path.lower().endswith(".json"):
            value = parse_json(content)
    except ValueError as error:
        raise DataError(f"{path} is damaged: {error}") from error
    fields = value if isinstance(value, dict) else dict.fromkeys(reader.names[:1], value)
    if missing := [name for name in reader.names if name not in fields and name != reader.columns.group]:
        if not reader.tasks:
            return None
        raise DataError(f"{path} has no {missing[0]!r}", "each .json file needs the labels of every task")
    return reader.read(path, {name: _cell(fields.get(name), reader) for name in reader.names})


def _cell(value: object, reader: LabelReader) -> Cell:
    """What a .json file has under a name."""
    if isinstance(value, list) and reader.tasks:
        return tuple(map(str, value))
    return None if value is None or isinstance(value, (dict, list)) else str(value)


# ---- Parquet files


def _parquet_images(file: str, reader: LabelReader, remarks: list[str]) -> Iterator[LabelledImage]:
    if is_slow_in_any_order(file):
        remarks.append(
            f"{file} has large row groups, which makes training slow: write it with row groups of 100 images"
        )
    columns, names = reader.columns, column_names(file)
    wanted = [*reader.names, *([columns.split] if columns.split in names else [])]
    missing = 0
    for row, source in zip(read_rows(file, wanted), walk_parquet(file, columns.image), strict=False):
        if isinstance(source, Unreadable):
            raise UnreadableError(source.reason)
        labels, name = reader.read(source.path, row), text_of(row.get(columns.split))
        if not labels:
            missing += 1
            continue
        split = split_of_name(name) if name else _split(file)
        if name and split is None:
            raise DataError(
                f"{source.path}: {name!r} is not a split", "use train, val, test, or leave it empty"
            )
        yield LabelledImage(source, labels.label, split, labels.answers, labels.group)
    if missing:
        remarks.append(f"left out: {counted(missing, 'row')} of {file} without a label")
