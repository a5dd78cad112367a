"""The folder of a run: a model folder that also holds everything that led to the network.

card.json, model.safetensors, model.onnx    the network
training_features.safetensors               what `--unfamiliar` compares images with
settings.toml       options, what the run started from, package versions; `--config` reads it
splits.csv          path, label, split, bytes, schema: which image was in which split
predictions.csv     predictions for every image of the validation and test splits
classifiers.csv     the classifiers on features that were compared
confusion_matrix.png
report.html         all of this in one file
unreadable.csv      path, reason; only where images could not be read
history.csv         loss, accuracy and learning rate of every epoch
curves.png          the same as a picture
lr_range.png        the learning rate range test of `--lr auto`
tensorboard/        the history for TensorBoard
tracking.json       the runs of `--track` in MLflow or Weights & Biases
checkpoints/        what training is resumed from: manifest.json, last.pt, before.pt, best.safetensors,
                    best_outputs.safetensors
"""

import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from cnncli.data.splits import SPLITS
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import OutputError
from cnncli.files.csv_tables import Table, write_tables
from cnncli.files.drafts import DRAFT
from cnncli.files.lock import FileLock
from cnncli.files.output_path import require_outside_model_folder
from cnncli.files.whole import replace, restore_former, whole_folder
from cnncli.networks.model_folder import FILES, GRAPH, is_model_folder
from cnncli.records.networks import CARD
from cnncli.text import is_percent_encoded, quote
from cnncli.training.history import HISTORY
from cnncli.training.settings_file import SETTINGS, RecordedSettings

RUNS = Path("runs")
CHECKPOINTS = "checkpoints"


@frozen_dataclass
class Target:
    """Where a run is written.

    Attributes:
        path: its folder; did not exist, or was empty, when it was chosen, unless a run there is replaced.
        usual: the default path for runs on this data, to which a number is added if it exists; None if the user named the
            folder.
        replaces: whether an earlier run there is replaced.
    """

    path: Path
    usual: Path | None
    replaces: bool


def choose_run_folder(
    output: Path | None, name: str, *, overwrite: bool, locks: contextlib.ExitStack
) -> Target:
    """Choose the folder of a run, and lock it.

    Args:
        output: the requested folder; None for `runs/NAME`, or the first of `runs/NAME-2`, `-3`, … that is free and that
            no other process is about to write.
        name: name of the data set.
        overwrite: whether an earlier run in `output` may be replaced.
        locks: releases the lock, at the end of the run.

    Raises:
        OutputError: something else already exists there, another process is writing it, or it cannot be written.
    """
    if output is None:
        return _lock_first_free(RUNS / name, locks)
    _may_replace(output, overwrite=overwrite)  # before anything is created
    _require_writable_parent(output)
    lock_run(output, locks)
    try:
        restore_former(output)
    except OSError as error:
        raise OutputError(f"cannot write a run to {output}: {error.strerror}") from error
    return Target(output, None, _may_replace(output, overwrite=overwrite))


def _lock_first_free(usual: Path, locks: contextlib.ExitStack) -> Target:
    """The first of NAME, NAME-2, … that does not exist, locked."""
    for path in _numbered(usual):
        if path.exists():
            continue
        _may_replace(path, overwrite=False)
        _require_writable_parent(path)
        with contextlib.suppress(RunLockedError):
            lock_run(path, locks)
            return Target(path, usual, replaces=False)
    raise AssertionError("unreachable: the numbers have no end")


class RunLockedError(OutputError):
    """Another process is writing the run."""


def lock_run(run: Path, locks: contextlib.ExitStack) -> None:
    """Keep other processes from writing to the folder of a run, whether it exists or not.

    The lock file is beside the folder, since the folder itself may be replaced.

    Args:
        run: its folder.
        locks: releases the lock.

    Raises:
        RunLockedError: another process is writing it.
        OutputError: the lock file cannot be created.
    """
    folder = run.resolve()
    try:
        locks.enter_context(FileLock(folder.with_name(f".{folder.name}.lock")))
    except BlockingIOError as error:
        raise RunLockedError(f"another process is writing {run}", "wait for it, or stop it") from error
    except OSError as error:
        raise OutputError(f"cannot write to {run}: {error.strerror or error}") from error


def _may_replace(path: Path, *, overwrite: bool) -> bool:
    """Whether an earlier run at a path is to be replaced; False where there is none.

    Raises:
        OutputError: something that may not be replaced is there, or no run can have this path.
    """
    if path.resolve() == Path.cwd():
        raise OutputError("a run cannot replace the current folder", "choose another with --output")
    if is_percent_encoded(str(path)):
        raise OutputError(
            f"{path} cannot be a run's folder: its name is not UTF-8", "choose another with --output"
        )
    require_outside_model_folder(path)
    try:
        is_ours = is_run(path)
        is_taken = path.exists() and not (path.is_dir() and (is_ours or not any(path.iterdir())))
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror}") from error
    if is_taken:
        raise OutputError(
            f"{path} already exists and is not a run of cnncli",
            "choose another folder with --output",
        )
    if is_ours:
        _require_nothing_foreign(path)
    if is_ours and not overwrite:
        raise OutputError(
            f"{path} already exists",
            "--overwrite replaces an earlier run; --output names another folder; --resume resumes one",
        )
    return is_ours


def _require_nothing_foreign(run: Path) -> None:
    """Raise OutputError if the folder of a run also holds something else."""
    if foreign := _foreign(run):
        raise OutputError(
            f"{run} holds more than a run: {', '.join(foreign)}",
            "move that away, or choose another folder with --output",
        )


def _require_writable_parent(path: Path) -> None:
    """Create the folder above a run; raise OutputError if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write a run to {path}: {error.strerror}", "choose another folder with --output"
        ) from error


_FILES = frozenset(
    {CARD, *FILES, SETTINGS, SPLITS, "predictions.csv", "classifiers.csv", "unreadable.csv"}
    | {"confusion_matrix.png", HISTORY, "curves.png", "lr_range.png", "report.html", "tracking.json"}
)
_FOLDERS = frozenset({CHECKPOINTS, "tensorboard"})


def _foreign(folder: Path) -> list[str]:
    """Names of files and folders in a run's folder that do not belong to a run."""
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.name not in (_FOLDERS if entry.is_dir() else _FILES)
        and entry.name != _DRAFT
        and not entry.name.endswith(DRAFT)
    )


_DRAFT = ".finished"
"""The temporary folder in which a trained network is written."""


def is_run(path: Path) -> bool:
    """Whether a path holds a run, finished or not."""
    return is_model_folder(path) or (path / CHECKPOINTS).is_dir()


def require_no_links(run: Path) -> None:
    """Raise OutputError if a folder in a run is a link, through which training would write."""
    for name in sorted(_FOLDERS):
        if (run / name).is_symlink():
            raise OutputError(
                f"{run / name} is a link, through which nothing is written",
                "move the folder that it leads to there, in place of the link",
            )


def _numbered(path: Path) -> Iterator[Path]:
    """A path, then the same with -2, -3 and so on."""
    yield path
    yield from (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))


@contextlib.contextmanager
def draft_run(target: Target) -> Iterator[Path]:
    """A temporary folder beside a run's path; the block has to end with `install_run`.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with whole_folder(target.path, install=_leave_to_caller) as draft:
            yield draft
    except OSError as error:
        raise OutputError(
            f"cannot write a run to {target.path}: {error.strerror or error}",
            "free some space, or choose another folder with --output",
        ) from error


def _leave_to_caller(draft: Path, target: Path) -> None:
    """Do nothing: the block calls `install_run`, which returns the final path."""


def install_run(draft: Path, target: Target) -> Path:
    """Rename a finished draft to its final path; if that exists by now, with the next free number.

    Raises:
        OutputError: the path that the user named exists by now; the run is lost.
    """
    if target.replaces:
        _require_nothing_foreign(target.path)  # what was put there while the network was trained
        replace(draft, target.path)
        return target.path
    path = target.path
    while True:
        try:
            draft.rename(path)
        except OSError as error:
            if target.usual is None or not path.exists():
                raise OutputError(f"cannot write the run to {path}: {error.strerror}") from error
            path = next(path for path in _numbered(target.usual) if not path.exists())
        else:
            return path


def write_files(draft: Path, tables: Iterable[Table], settings: RecordedSettings | None) -> None:
    """Write the tables and settings of a run into its folder.

    Args:
        draft: the folder.
        tables: written as CSV.
        settings: contents of settings.toml; None where that already exists.
    """
    write_tables(draft, tables)
    if settings is not None:
        settings.write(draft)


def install_network(draft: Path, run: Path) -> None:
    """Move a finished network and its tables into the run that trained it.

    The card is removed first and moved last, so that a reader finds either no network or a complete one.
    """
    (run / CARD).unlink(missing_ok=True)
    (run / GRAPH).unlink(missing_ok=True)
    for file in sorted(draft.iterdir(), key=lambda file: file.name == CARD):
        file.replace(run / file.name)


@contextlib.contextmanager
def draft_network(run: Path) -> Iterator[Path]:
    """A temporary folder within a run, for `install_network`.

    Raises:
        OutputError: it cannot be written.
    """
    draft = run / _DRAFT
    shutil.rmtree(draft, ignore_errors=True)  # left by a process that was killed
    try:
        draft.mkdir()
        yield draft
    except OSError as error:
        is_saved = (run / CHECKPOINTS).is_dir()  # unless the run was deleted or replaced meanwhile
        raise OutputError(
            f"cannot write the network to {run}: {error.strerror or error}"
            + ("; its training is saved" if is_saved else ""),
            f"free some space, then: cnncli finetune --resume {quote(run)}" if is_saved else None,
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
