"""`--sheet`: collects the first images of a run and saves a picture of them with their classes."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from cnncli.cli.console import Console
from cnncli.errors import DataError, UsageError
from cnncli.files.output_path import require_free, require_writable_file
from cnncli.records.networks import ModelCard
from cnncli.records.predictions import Prediction, Record, TrueClasses
from cnncli.text import SEPARATORS, counted


class Sheet:
    """The records on a picture sheet; does nothing if no sheet was requested."""

    def __init__(self, file: Path | None, labels_from: Path | None, *, overwrite: bool) -> None:
        """An empty sheet.

        Args:
            file: the PNG to write; None for no sheet.
            labels_from: a list with true labels of images; None where there is none.
            overwrite: whether an existing file is replaced.
        """
        self._file, self._labels_from = file, labels_from
        self._listed: Mapping[str, TrueClasses] = {}
        self._overwrite = overwrite
        self._records: list[Record] = []
        self._count = 0

    @classmethod
    def from_options(
        cls,
        file: Path | None,
        *,
        labels_from: Path | None,
        output: Path | None,
        resume: bool,
        overwrite: bool,
    ) -> "Sheet":
        """An empty sheet, after checking that it can be written.

        Raises:
            UsageError: its file is that of the records or is not a PNG, a resumed run would miss images, or true labels are
                given without a sheet, or in no list.
            OutputError: its folder does not exist, or the file does.
        """
        if file is None:
            if labels_from:
                raise UsageError("--labels-from has no effect without --sheet", "add e.g. --sheet sheet.png")
            return cls(None, None, overwrite=overwrite)
        if resume:
            raise UsageError(
                "--sheet would miss the images that are already done", "save the sheet in a run of its own"
            )
        if file.suffix.lower() != ".png":
            raise UsageError(f"--sheet {file}: a sheet is a PNG", "give a name that ends in .png")
        if output is not None and _resolve(file) == _resolve(output):
            raise UsageError("--sheet and --output cannot be the same file")
        require_writable_file(_resolve(file))
        require_free(file, overwrite=overwrite)
        if labels_from and labels_from.suffix.lower() not in SEPARATORS:
            raise UsageError(
                f"--labels-from {labels_from}: the name of a list ends in .csv or .tsv", _list_hint(())
            )
        return cls(file, labels_from, overwrite=overwrite)

    def read_labels(self, card: ModelCard) -> None:
        """Read the list of true labels, if there is one.

        Args:
            card: of the network, whose tasks the list has columns for.

        Raises:
            DataError: it cannot be read as such a list.
        """
        if self._labels_from is None:
            return
        from cnncli.evaluation.true_classes import read_true_classes

        try:
            self._listed = read_true_classes(self._labels_from, card)
        except DataError as error:
            raise DataError(error.message, _list_hint([task.name for task in card.tasks])) from error

    @property
    def is_full(self) -> bool:
        """Whether no further image belongs on the sheet; also where none was requested."""
        from cnncli.render.sheet import LIMIT

        return self._file is None or len(self._records) == LIMIT

    def add(self, record: Record) -> None:
        """Add an image, if the sheet is not full."""
        if self._file is None:
            return
        from cnncli.render.sheet import LIMIT

        self._count += 1
        if len(self._records) < LIMIT:
            self._records.append(record)

    def save(self, card: ModelCard, console: Console) -> None:
        """Save the sheet. The true class of an image is that of the list, or else the name of its folder if that is a class.

        Args:
            card: of the network.
            console: reports the saved file, and true labels that the network does not have.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._file is None or not self._records:
            return
        with console.spinner("drawing the sheet"):
            count = self._write(_resolve(self._file), card, console)
        limit = f" (the first {count} of {self._count:,} images)" if self._count > count else ""
        console.notice(f"saved {self._file}{limit}")

    def _write(self, file: Path, card: ModelCard, console: Console) -> int:
        """Write the picture, and return the number of images on it."""
        from cnncli.evaluation.true_classes import of_folders
        from cnncli.files.whole import write_whole
        from cnncli.images.decode import thumbnail
        from cnncli.render.sheet import THUMBNAIL, Card, sheet_png

        listed = [self._listed.get(os.path.abspath(record.path)) for record in self._records]  # noqa: PTH100 - a string
        if self._labels_from:
            _warn_about_labels(listed, card.name, console)
        in_folders = of_folders([PurePath(record.path).parent.name for record in self._records], card)
        cards = [
            Card(
                record,
                thumbnail(record.source, THUMBNAIL) if isinstance(record, Prediction) else None,
                truth or of_its_folder,
            )
            for record, truth, of_its_folder in zip(self._records, listed, in_folders, strict=True)
        ]
        write_whole(file, sheet_png(cards), overwrite=self._overwrite)
        return len(cards)


def _list_hint(tasks: Sequence[str]) -> str:
    """What a list of true labels is, for a network with these tasks."""
    columns = ["path", *(tasks or ["label"])]
    return (
        f"--labels-from takes a CSV or TSV list with the columns {', '.join(columns[:-1])} and {columns[-1]}; "
        "paths are relative to the list"
    )


def _warn_about_labels(truths: Sequence[TrueClasses | None], model: str, console: Console) -> None:
    """Warn about images without a true label, and about labels that are no classes of the network.

    Args:
        truths: true classes of the images on the sheet; None where the list lacks an image.
        model: name of the network.
        console: shows the warnings.
    """
    if missing := truths.count(None):
        console.warning(
            f"--labels-from does not list {missing} of {counted(len(truths), 'image')} on the sheet"
        )
    if unknown := sorted({label for truth in truths if truth for label in truth.unknown}):
        names = counted(len(unknown), "label")
        console.warning(f"--labels-from has {names} that {model} does not know, e.g. {unknown[0]!r}")


def _resolve(file: Path) -> Path:
    """The target of a link, so that writing keeps the link."""
    return Path(os.path.realpath(file))
