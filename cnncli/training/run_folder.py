"""The folder of a run: a model folder, and beside the network what led to it.

card.json, model.safetensors, model.onnx    the network
settings.toml       what was asked for, and with which versions; `--config` reads it again
splits.csv          path, label, split: which image was in which part
predictions.csv     every image of the validation and test parts: what it is, what it was taken for
classifiers.csv     the classifiers that were tried
confusion_matrix.png
unreadable.csv      path, reason: where some images could not be read
"""

import contextlib
import csv
import itertools
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from cnncli.errors import OutputError
from cnncli.networks.model_folder import CARD, GRAPH, WEIGHTS, is_model_folder

RUNS = Path("runs")
SETTINGS = "settings.toml"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a run is to go.

    Attributes:
        path: of its folder, free when it was chosen.
        usual: the path that runs on this data have where it is free, then with a number; None where the user named
            the folder, and no other will do.
        replaces: an earlier run there may be replaced.
    """

    path: Path
    usual: Path | None
    replaces: bool


def chosen(output: Path | None, name: str, *, overwrite: bool) -> Target:
    """The folder that a run goes to.

    Args:
        output: what was asked for; None for `runs/NAME`, or the first of `runs/NAME-2`, `-3`, … that is free.
        name: of the data.
        overwrite: an earlier run in `output` may be replaced.

    Raises:
        OutputError: there is something already, or it cannot be written.
    """
    path = output or _free(RUNS / name)
    if path.resolve() == Path.cwd():
        raise OutputError(
            "a run cannot take the place of the folder that it is started in", "name another with --output"
        )
    try:
        is_run = is_model_folder(path)
        is_taken = path.exists() and not (path.is_dir() and (is_run or not any(path.iterdir())))
    except OSError as error:
        raise OutputError(f"cannot look into {path}: {error.strerror}") from error
    if is_taken:
        raise OutputError(
            f"{path} is there already, and is no run of cnncli's, so it is left alone",
            "--output names another folder",
        )
    if is_run and (foreign := _foreign(path)):
        raise OutputError(
            f"{path} holds more than a run: {', '.join(foreign)}",
            "move that away, or name another folder with --output",
        )
    if is_run and not overwrite:
        raise OutputError(
            f"{path} is there already", "--overwrite replaces an earlier run; --output names another folder"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write a run to {path}: {error.strerror}", "--output names another folder"
        ) from error
    return Target(path, None if output else RUNS / name, is_run)


_OURS = frozenset(
    {CARD, WEIGHTS, GRAPH, SETTINGS, "splits.csv", "predictions.csv", "classifiers.csv", "unreadable.csv"}
    | {"confusion_matrix.png"}
)


def _foreign(folder: Path) -> list[str]:
    """What lies in a run's folder and is none of its files."""
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() or entry.name not in _OURS)


def _free(path: Path) -> Path:
    """The path, or the first one with a number that is not there."""
    numbered = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(candidate for candidate in itertools.chain([path], numbered) if not candidate.exists())


@contextlib.contextmanager
def writing(target: Target) -> Iterator[Path]:
    """A draft of a run beside its place; when the block ends well, `settle` has to give it its name.

    Raises:
        OutputError: it cannot be written.
    """
    draft = target.path.with_name(f".{target.path.name}.{uuid.uuid4().hex[:8]}.draft")
    try:
        draft.mkdir()
        yield draft
    except OSError as error:
        raise OutputError(f"cannot write a run to {target.path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def settle(draft: Path, target: Target) -> Path:
    """Give a finished draft its name. What came there meanwhile stays: a run that may have any name takes the next.

    Raises:
        OutputError: the name that was asked for has been taken meanwhile; the run is lost.
    """
    if target.replaces:
        former = draft.with_suffix(".former")
        target.path.rename(former)
        try:
            draft.rename(target.path)
        except OSError:
            former.rename(target.path)
            raise
        shutil.rmtree(former, ignore_errors=True)
        return target.path
    path = target.path
    while True:
        try:
            draft.rename(path)
        except OSError as error:
            if target.usual is None or not path.exists():
                raise OutputError(f"cannot write the run to {path}: {error.strerror}") from error
            path = _free(target.usual)
        else:
            return path


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
