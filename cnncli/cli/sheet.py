"""`--sheet`: collects the first images of a run and saves a picture of them with their classes."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from cnncli.cli.console import Console
from cnncli.errors import DataError, UsageError
from cnncli.files.output_path import require_free, require_writable_file
from cnncli.records.networks import ModelCard
from cnncli.records.predictions import Prediction, Record
from cnncli.text import SEPARATORS, counted


class Sheet:
    """The records on a picture sheet; does nothing if no sheet was requested."""

    def __init__(self, file: Path | None, truths: Mapping[str, str], *, overwrite: bool) -> None:
        """An empty sheet.

        Args:
            file: the PNG to write; None for no sheet.
            truths: true labels by the absolute path of an image.
            overwrite: whether an existing file is replaced.
        """
        self._file = file
        self._truths = truths
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
                given without a sheet.
            OutputError: its folder does not exist, or the file does.
            DataError: the list of true labels cannot be read.
        """
        if file is None:
            if labels_from:
                raise UsageError("--labels-from has no effect without --sheet", "add e.g. --sheet sheet.png")
            return cls(None, {}, overwrite=overwrite)
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
        return cls(file, _read_truths(labels_from) if labels_from else {}, overwrite=overwrite)

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
        from cnncli.evaluation.classes import find_classes
        from cnncli.files.whole import write_whole
        from cnncli.images.decode import thumbnail
        from cnncli.render.sheet import THUMBNAIL, Card, Truth, sheet_png

        listed = [self._truths.get(os.path.abspath(record.path)) for record in self._records]  # noqa: PTH100 - a string
        names = [
            label or PurePath(record.path).parent.name
            for label, record in zip(listed, self._records, strict=True)
        ]
        truths = find_classes(card, names)
        if self._truths:
            _warn_about_truths(listed, truths, card.name, console)
        cards = [
            Card(
                record,
                thumbnail(record.source, THUMBNAIL) if isinstance(record, Prediction) else None,
                None if index is None else Truth(card.class_names[index], (frozenset({index}),)),
            )
            for record, index in zip(self._records, truths, strict=True)
        ]
        write_whole(file, sheet_png(cards), overwrite=self._overwrite)
        return len(cards)


_LIST_HINT = (
    "--labels-from takes a CSV or TSV list with the columns path and label; paths are relative to the list"
)


def _read_truths(file: Path) -> dict[str, str]:
    """The true label of each image of a list, by its absolute path.

    Raises:
        UsageError: its name does not end as that of a list.
        DataError: it cannot be read as a list.
    """
    from cnncli.data.lists import read_list
    from cnncli.records.list_columns import ListColumns

    if file.suffix.lower() not in SEPARATORS:
        raise UsageError(f"--labels-from {file}: the name of a list ends in .csv or .tsv", _LIST_HINT)
    try:
        data = read_list(str(file), ListColumns())
    except DataError as error:
        raise DataError(error.message, _LIST_HINT) from error
    return {os.path.abspath(sample.path): data.class_names[sample.label] for sample in data.samples}  # noqa: PTH100 - a string


def _warn_about_truths(
    labels: Sequence[str | None], truths: Sequence[int | None], model: str, console: Console
) -> None:
    """Warn about images without a true label, and about labels that are no classes of the network.

    Args:
        labels: of the images on the sheet, from the list; None where it lacks an image.
        truths: indices of their true classes; None where there is none.
        model: name of the network.
        console: shows the warnings.
    """
    if missing := labels.count(None):
        console.warning(
            f"--labels-from does not list {missing} of {counted(len(labels), 'image')} on the sheet"
        )
    pairs = zip(labels, truths, strict=True)
    if unknown := sorted({label for label, index in pairs if label is not None and index is None}):
        names = counted(len(unknown), "label")
        console.warning(f"--labels-from has {names} that {model} does not know, e.g. {unknown[0]!r}")


def _resolve(file: Path) -> Path:
    """The target of a link, so that writing keeps the link."""
    return Path(os.path.realpath(file))
