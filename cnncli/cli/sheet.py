"""`--sheet`: gathers the first images of a run and draws them with their classes."""

import os
from pathlib import Path, PurePath

from cnncli.cli.console import Console
from cnncli.errors import UsageError
from cnncli.files.place import require_free, require_place
from cnncli.records.networks import ModelCard
from cnncli.records.predictions import ImageSource, Prediction, Record


class Sheet:
    """The records that go on the picture sheet; nothing where none is asked for."""

    def __init__(self, file: Path | None) -> None:
        """An empty sheet.

        Args:
            file: the PNG to write; None for no sheet.
        """
        self._file = file
        self._records: list[Record] = []
        self._seen = 0

    @classmethod
    def checked(cls, file: Path | None, *, output: Path | None, resume: bool, overwrite: bool) -> "Sheet":
        """An empty sheet, if it can be drawn and written at the end.

        Raises:
            UsageError: it would take the place of the records, is no PNG, or only a part of the images will
                be seen.
            OutputError: there is no such folder, or something is in its place.
        """
        if file is None:
            return cls(None)
        if resume:
            raise UsageError(
                "--sheet would miss the images that are done already", "draw it in a run of its own"
            )
        if file.suffix.lower() != ".png":
            raise UsageError(f"--sheet {file}: a sheet is a PNG", "give a name that ends in .png")
        if output is not None and _target(file) == _target(output):
            raise UsageError("--sheet and --output cannot be the same file")
        require_place(_target(file))
        require_free(file, overwrite=overwrite)
        return cls(file)

    def add(self, record: Record) -> None:
        """One more image; kept if there is room."""
        if self._file is None:
            return
        from cnncli.render.sheet import LIMIT

        self._seen += 1
        if len(self._records) < LIMIT:
            self._records.append(record)

    def save(self, card: ModelCard, console: Console) -> None:
        """Draw the sheet; where an image's folder is called as a class, that is marked as the true one.

        Args:
            card: of the network.
            console: hears of it.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._file is None or not self._records:
            return
        from cnncli.evaluation.classes import find_classes
        from cnncli.files.whole import write_whole
        from cnncli.images.decode import thumbnail
        from cnncli.render.sheet import THUMBNAIL, Card, sheet_png

        def small(source: ImageSource) -> bytes | None:
            return thumbnail(source, THUMBNAIL)

        folders = [PurePath(record.path).parent.name for record in self._records]
        cards = [
            Card(
                record,
                small(record.source) if isinstance(record, Prediction) else None,
                None if index is None else (index, card.class_names[index]),
            )
            for record, index in zip(self._records, find_classes(card, folders), strict=True)
        ]
        write_whole(_target(self._file), sheet_png(cards))
        left_out = f" (the first {len(cards)} of {self._seen:,} images)" if self._seen > len(cards) else ""
        console.notice(f"saved {self._file}{left_out}")


def _target(file: Path) -> Path:
    """What a link leads to: the link stays, and that is drawn."""
    return Path(os.path.realpath(file))
