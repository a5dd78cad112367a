"""The index of the networks of timm and torchvision: a table that is read in milliseconds, without either library.

`indexing.py` writes it. Importing the libraries themselves takes seconds.
"""

import csv
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from cnncli.dataclass import frozen_dataclass
from cnncli.networks.reference import BLUEPRINT, HUB, LIBRARY, is_blueprint_text, split_hub_name
from cnncli.records.listing import IndexEntry
from cnncli.records.networks import LIBRARIES, PackageVersion

FILE = Path(__file__).with_name("index.tsv")

_COLUMNS = [field.name for field in dataclasses.fields(IndexEntry)]
_SUGGESTIONS = 4


@frozen_dataclass
class Index:
    """All networks, and the versions of the libraries that they were taken from."""

    versions: tuple[PackageVersion, ...]
    entries: tuple[IndexEntry, ...]


class _Row(TypedDict):
    """A line of the file by column."""

    name: str
    library: str
    num_classes: str
    parameters: str
    multiply_adds: str
    image_size: str
    top1: str
    top5: str
    published: str


def read(file: Path = FILE) -> Index:
    """Read the index; entries are in order of their names."""
    with file.open(encoding="utf-8", newline="") as stream:
        versions = [item.split("=") for item in stream.readline().removeprefix("# ").split()]
        rows = csv.DictReader(stream, delimiter="\t")
        return Index(
            tuple(PackageVersion(package, version) for package, version in versions),
            tuple(_entry(row) for row in rows),  # type: ignore[arg-type]
        )


def write(index: Index, file: Path = FILE) -> None:
    """Write the index."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        print("#", *(f"{item.package}={item.version}" for item in index.versions), file=stream)
        rows = csv.writer(stream, delimiter="\t", lineterminator="\n")
        rows.writerow(_COLUMNS)
        rows.writerows(_cells(entry) for entry in sorted(index.entries, key=lambda entry: entry.name))


def names(file: Path = FILE) -> list[str]:
    """The names of all networks."""
    with file.open(encoding="utf-8") as stream:
        return [line.partition("\t")[0] for line in stream][2:]


def installed_version(package: str) -> str | None:
    """The version of a package without its local part (after a +); None where it is not installed."""
    from importlib import metadata  # costs as much as reading the index

    try:
        return metadata.version(package).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def architecture(name: str) -> str:
    """A network's name without its library and without the tag of its weights."""
    return name.removeprefix(LIBRARY).partition(".")[0]


def libraries(name: str) -> set[str] | None:
    """The libraries that have an architecture of that name; None where the installed versions are not the index's."""
    index = read()
    if not matches_installed(index):
        return None
    return {entry.library for entry in index.entries if architecture(entry.name) == name}


def weight_locations(name: str) -> set[str]:
    """Repositories and URLs where the weights of a name may be published, according to the index."""
    if name.startswith(HUB):
        return {split_hub_name(name)[0]}
    entries = [entry for entry in read().entries if architecture(entry.name) == architecture(name)]
    return {entry.published for entry in entries if entry.published}


def matches_installed(index: Index) -> bool:
    """Whether the installed libraries have the versions that the index was made from."""
    return all(
        _series(item.package, installed_version(item.package) or "") == _series(item.package, item.version)
        for item in index.versions
    )


def _series(package: str, version: str) -> str:
    """The part of a version that decides which networks exist: torchvision's patch releases add none, timm's do."""
    return version.rpartition(".")[0] if package == "torchvision" else version


def is_known(name: str) -> bool:
    """Whether the index has a network of that name, with or without a tag."""
    return any(architecture(entry.name) == architecture(name) for entry in read().entries)


def gives_features_only(name: str) -> bool:
    """Whether all published weights of that name, with or without a tag, have no classifier."""
    entries = [
        entry
        for entry in read().entries
        if entry.published and name in {entry.name, architecture(entry.name)}
    ]
    return bool(entries) and not any(entry.num_classes for entry in entries)


def hint_if_unknown(name: str) -> str | None:
    """A hint if no network has this name; None if one has, or if the installed libraries are not the index's."""
    if name.startswith(HUB) or name.endswith(BLUEPRINT) or is_blueprint_text(name):
        return None
    if is_known(name):
        return None
    index = read()
    if not matches_installed(index):
        return None
    return closest_names_hint(name, index.entries)


def closest_names_hint(name: str, entries: Iterable[IndexEntry]) -> str:
    """A hint with the names that are closest to an unknown one."""
    import difflib

    names = list(dict.fromkeys(architecture(entry.name) for entry in entries))
    close = difflib.get_close_matches(architecture(name).lower(), names, _SUGGESTIONS, cutoff=0.6)
    return (
        f"did you mean {', '.join(close)}?"
        if close
        else "`cnncli models` lists all names; the path of a model folder also works"
    )


def _entry(row: _Row) -> IndexEntry:
    height, width = row["image_size"].split("x")
    library = row["library"]
    return IndexEntry(
        name=row["name"],
        library=next(name for name in LIBRARIES if name == library),
        num_classes=int(row["num_classes"]),
        parameters=int(row["parameters"]),
        multiply_adds=int(row["multiply_adds"]) if row["multiply_adds"] else None,
        image_size=(int(height), int(width)),
        top1=float(row["top1"]) if row["top1"] else None,
        top5=float(row["top5"]) if row["top5"] else None,
        published=row["published"] or None,
    )


def _cells(entry: IndexEntry) -> list[str | int | float | None]:
    height, width = entry.image_size
    return [
        entry.name,
        entry.library,
        entry.num_classes,
        entry.parameters,
        entry.multiply_adds,
        f"{height}x{width}",
        entry.top1,
        entry.top5,
        entry.published,
    ]
