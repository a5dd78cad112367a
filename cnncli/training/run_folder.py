"""The folder of a run: a model folder, and beside the network what led to it.

card.json, model.safetensors, model.onnx    the network
settings.toml       what was asked for, and with which versions; `--config` reads it again
splits.csv          path, label, split, bytes, schema: which image was in which split
predictions.csv     every image of the validation and test splits: what it is, what it was taken for
classifiers.csv     the classifiers that were tried
confusion_matrix.png
report.html         all of this to look at, in one file
unreadable.csv      path, reason: where some images could not be read
history.csv         every epoch of training the network itself
curves.png          the same as a picture
lr_range.png        where `--lr auto` found the learning rate
tensorboard/        the same for TensorBoard
checkpoints/        what training goes on from: beginning.json, last.pt, before.pt, best.safetensors
"""

import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from cnncli.data.splits import SPLITS
from cnncli.errors import OutputError
from cnncli.files.tables import Table, write_tables
from cnncli.files.whole import replace, whole_folder
from cnncli.networks.model_folder import CARD, GRAPH, WEIGHTS, is_model_folder
from cnncli.text import is_percent_encoded

RUNS = Path("runs")
SETTINGS = "settings.toml"
CHECKPOINTS = "checkpoints"


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


def choose_run_folder(output: Path | None, name: str, *, overwrite: bool) -> Target:
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
    if is_percent_encoded(str(path)):
        raise OutputError(
            f"{path} cannot be a run's folder: its name is not UTF-8", "name another with --output"
        )
    try:
        is_ours = is_run(path)
        is_taken = path.exists() and not (path.is_dir() and (is_ours or not any(path.iterdir())))
    except OSError as error:
        raise OutputError(f"cannot look into {path}: {error.strerror}") from error
    if is_taken:
        raise OutputError(
            f"{path} already exists, and is no run of cnncli's, so it is left alone",
            "--output names another folder",
        )
    if is_ours and (foreign := _foreign(path)):
        raise OutputError(
            f"{path} holds more than a run: {', '.join(foreign)}",
            "move that away, or name another folder with --output",
        )
    if is_ours and not overwrite:
        raise OutputError(
            f"{path} already exists",
            "--overwrite replaces an earlier run; --output names another folder; --resume goes on with one",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write a run to {path}: {error.strerror}", "--output names another folder"
        ) from error
    return Target(path, None if output else RUNS / name, is_ours)


_OURS = frozenset(
    {CARD, WEIGHTS, GRAPH, SETTINGS, SPLITS, "predictions.csv", "classifiers.csv", "unreadable.csv"}
    | {"confusion_matrix.png", "history.csv", "curves.png", "lr_range.png", "report.html"}
)
_OUR_FOLDERS = frozenset({CHECKPOINTS, "tensorboard"})


def _foreign(folder: Path) -> list[str]:
    """What lies in a run's folder and is none of its files."""
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.name not in (_OUR_FOLDERS if entry.is_dir() else _OURS) and entry.name != _DRAFT
    )


_DRAFT = ".finished"
"""The folder in which a trained network is put together."""


def is_run(path: Path) -> bool:
    """Whether a path holds a run, finished or not."""
    return is_model_folder(path) or (path / CHECKPOINTS).is_dir()


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
    try:
        with whole_folder(target.path, settle=_settled_by_caller) as draft:
            yield draft
    except OSError as error:
        raise OutputError(f"cannot write a run to {target.path}: {error.strerror or error}") from error


def _settled_by_caller(draft: Path, target: Path) -> None:
    """Nothing: whoever writes a run settles it, as its name may be another in the end."""


def settle(draft: Path, target: Target) -> Path:
    """Give a finished draft its name. What came there meanwhile stays: a run that may have any name takes the next.

    Raises:
        OutputError: the name that was asked for has been taken meanwhile; the run is lost.
    """
    if target.replaces:
        replace(draft, target.path)
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


def write(
    draft: Path, tables: Iterable[Table], settings: Mapping[str, Any] | None, pictures: Mapping[str, bytes]
) -> None:
    """Put everything into a run's folder but the network.

    Args:
        draft: the folder.
        tables: as CSV.
        settings: as settings.toml; None where that already exists.
        pictures: PNG files by name.
    """
    write_tables(draft, tables)
    if settings is not None:
        (draft / SETTINGS).write_bytes(tomli_w.dumps(settings).encode("utf-8", "surrogateescape"))
    for name, content in pictures.items():
        (draft / name).write_bytes(content)


def finish(draft: Path, run: Path) -> None:
    """Move a finished network and its tables into the run that trained it.

    The card leaves first and comes last: who looks meanwhile finds no network, and never half of one.
    """
    (run / CARD).unlink(missing_ok=True)
    (run / GRAPH).unlink(missing_ok=True)
    for file in sorted(draft.iterdir(), key=lambda file: file.name == CARD):
        file.replace(run / file.name)


@contextlib.contextmanager
def finishing(run: Path) -> Iterator[Path]:
    """A draft within a run, for `finish`.

    Raises:
        OutputError: it cannot be written.
    """
    draft = run / _DRAFT
    shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed while it wrote
    try:
        draft.mkdir()
        yield draft
    except OSError as error:
        raise OutputError(
            f"cannot write the network to {run}: {error.strerror or error}; its training is saved",
            f"make room, then: cnncli finetune --resume {run}",
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
