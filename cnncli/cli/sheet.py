"""`--sheet`: gathers the first images of a run and draws them with their classes."""

from pathlib import Path

from cnncli.cli.console import Console
from cnncli.records.predictions import ImageSource, Prediction, Record


class Sheet:
    """The records that go on the picture sheet; nothing where none is asked for."""

    def __init__(self, file: Path | None, max_pixels: int) -> None:
        """An empty sheet.

        Args:
            file: the PNG to write; None for no sheet.
            max_pixels: the largest image that is decoded.
        """
        self._file = file
        self._max_pixels = max_pixels
        self._records: list[Record] = []
        self._seen = 0

    def add(self, record: Record) -> None:
        """One more image; kept if there is room."""
        if self._file is None:
            return
        from cnncli.render.sheet import LIMIT

        self._seen += 1
        if len(self._records) < LIMIT:
            self._records.append(record)

    def save(self, console: Console) -> None:
        """Draw the sheet.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._file is None or not self._records:
            return
        from cnncli.images.decode import thumbnail
        from cnncli.render.sheet import THUMBNAIL, Card, save_sheet

        def small(source: ImageSource) -> bytes | None:
            return thumbnail(source, THUMBNAIL, self._max_pixels)

        cards = [
            Card(record, small(record.source) if isinstance(record, Prediction) else None)
            for record in self._records
        ]
        save_sheet(cards, self._file)
        left_out = f" (the first {len(cards)} of {self._seen:,} images)" if self._seen > len(cards) else ""
        console.notice(f"{self._file}: drawn{left_out}")
