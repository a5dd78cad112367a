"""The folder of a run: a model folder, and beside the network what led to it.

card.json, model.safetensors, model.onnx    the network
settings.toml       what was asked for, and with which versions; `--config` reads it again
splits.csv          path, label, split: which image was in which part
predictions.csv     every image of the validation and test parts: what it is, what it was taken for
classifiers.csv     the classifiers that were tried
confusion_matrix.png
unreadable.csv      path, reason: where some images could not be read
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from cnncli.errors import OutputError
from cnncli.networks.model_folder import is_model_folder

RUNS = Path("runs")
SETTINGS = "settings.toml"


def chosen(output: Path | None, name: str, *, overwrite: bool) -> Path:
    """The folder that a run goes to.

    Args:
        output: what was asked for; None for `runs/NAME`, or the first of `runs/NAME-2`, `-3`, … that is free.
        name: of the data.
        overwrite: an earlier run in `output` may be replaced.

    Raises:
        OutputError: there is something already, or it cannot be written.
    """
    target = output or next(path for path in _numbered(RUNS / name) if not path.exists())
    if target.exists() and not _may_be_replaced(target, overwrite=overwrite):
        raise OutputError(
            f"{target} is there already",
            "--overwrite replaces an earlier run; --output names another folder"
            if is_model_folder(target)
            else "it is no run of cnncli's, so it is left alone; --output names another folder",
        )
    _require_writable(target)
    return target


def _numbered(path: Path) -> Iterable[Path]:
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.name}-{number}")
        number += 1


def _may_be_replaced(target: Path, *, overwrite: bool) -> bool:
    if not target.is_dir():
        return False
    return (overwrite and is_model_folder(target)) or not any(target.iterdir())


def _require_writable(target: Path) -> None:
    """See that the run can be written before the work that leads to it."""
    probe = target.parent / f".{target.name}.probe"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise OutputError(
            f"cannot write a run to {target}: {error.strerror}", "--output names another folder"
        ) from error


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file of the run.

    Attributes:
        name: of the file.
        header: of its columns.
        rows: of its values.
    """

    name: str
    header: tuple[str, ...]
    rows: Sequence[Sequence[str | int | float | None]]


def write(
    draft: Path, tables: Iterable[Table], settings: Mapping[str, Any], pictures: Mapping[str, bytes]
) -> None:
    """Put everything into a run's folder but the network.

    Args:
        draft: the folder.
        tables: as CSV; bytes of a path that are no UTF-8 stay what they are.
        settings: as settings.toml.
        pictures: PNG files by name.
    """
    for table in tables:
        with (draft / table.name).open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(table.header)
            writer.writerows(table.rows)
    (draft / SETTINGS).write_bytes(tomli_w.dumps(settings).encode("utf-8", "surrogateescape"))
    for name, content in pictures.items():
        (draft / name).write_bytes(content)
