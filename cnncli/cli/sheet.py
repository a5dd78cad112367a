"""`--sheet`: collects the first images of a run and saves a picture of them with their classes."""

import os
from pathlib import Path, PurePath

from cnncli.cli.console import Console
from cnncli.errors import UsageError
from cnncli.files.output_path import require_free, require_writable_file
from cnncli.records.networks import ModelCard
from cnncli.records.predictions import Prediction, Record


class Sheet:
    """The records on a picture sheet; does nothing if no sheet was requested."""

    def __init__(self, file: Path | None, *, overwrite: bool) -> None:
        """An empty sheet.

        Args:
            file: the PNG to write; None for no sheet.
            overwrite: whether an existing file is replaced.
        """
        self._file = file
        self._overwrite = overwrite
        self._records: list[Record] = []
        self._count = 0

    @classmethod
    def from_options(
        cls, file: Path | None, *, output: Path | None, resume: bool, overwrite: bool
    ) -> "Sheet":
        """An empty sheet, after checking that it can be written.

        Raises:
            UsageError: its file is that of the records or is not a PNG, or a resumed run would miss images.
            OutputError: its folder does not exist, or the file does.
        """
        if file is None:
            return cls(None, overwrite=overwrite)
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
        return cls(file, overwrite=overwrite)

    def add(self, record: Record) -> None:
        """Add an image, if the sheet is not full."""
        if self._file is None:
            return
        from cnncli.render.sheet import LIMIT

        self._count += 1
        if len(self._records) < LIMIT:
            self._records.append(record)

    def save(self, card: ModelCard, console: Console) -> None:
        """Save the sheet. Where the name of an image's folder is a class, that class is marked as the true one.

        Args:
            card: of the network.
            console: reports the saved file.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._file is None or not self._records:
            return
        from cnncli.evaluation.classes import find_classes
        from cnncli.files.whole import write_whole
        from cnncli.images.decode import thumbnail
        from cnncli.render.sheet import THUMBNAIL, Card, sheet_png

        folders = [PurePath(record.path).parent.name for record in self._records]
        cards = [
            Card(
                record,
                thumbnail(record.source, THUMBNAIL) if isinstance(record, Prediction) else None,
                None if index is None else (index, card.class_names[index]),
            )
            for record, index in zip(self._records, find_classes(card, folders), strict=True)
        ]
        write_whole(_resolve(self._file), sheet_png(cards), overwrite=self._overwrite)
        limit = f" (the first {len(cards)} of {self._count:,} images)" if self._count > len(cards) else ""
        console.notice(f"saved {self._file}{limit}")


def _resolve(file: Path) -> Path:
    """The target of a link, so that writing keeps the link."""
    return Path(os.path.realpath(file))
