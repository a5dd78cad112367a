"""Where records go: a table on the terminal, lines on stdout, a file that grows and can be resumed."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.cli.console import Console, is_terminal, write_data
from cnncli.errors import UsageError
from cnncli.records.predictions import Record, Unreadable
from cnncli.render.lines import LINE_RENDERERS, Format, Renderer
from cnncli.render.part_file import PartFile, Settings
from cnncli.render.recorded import Progressed, skip_recorded

if TYPE_CHECKING:
    from cnncli.images.sources import Found

_RESUMABLE = (Format.TSV, Format.CSV, Format.JSONL)

Write = Callable[[Record], None]


@dataclass(slots=True)
class Tally:
    """What has been written so far."""

    records: int = 0
    unreadable: int = 0

    def count(self, record: Record) -> None:
        """One more."""
        self.records += 1
        self.unreadable += isinstance(record, Unreadable)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to, and as what.

    Attributes:
        format: of the records.
        output: a file; None is stdout.
        resume: go on where an earlier run left its file.
        overwrite: replace what is there.
    """

    format: Format
    output: Path | None
    resume: bool
    overwrite: bool

    @classmethod
    def checked(
        cls, format_: Format | None, output: Path | None, *, resume: bool, overwrite: bool
    ) -> "Destination":
        """The destination, if it makes sense; the format by the file's ending, or by what stdout is.

        Raises:
            UsageError: options that contradict each other.
        """
        chosen = format_ or _usual_format(output)
        if output is None and chosen is Format.PARQUET:
            raise UsageError("Parquet is no text: it needs a file", "add --output FILE.parquet")
        if output is None and resume:
            raise UsageError("--resume is about the file of --output, and there is none")
        if output is not None and chosen is Format.TABLE:
            raise UsageError(
                "a table is for the eye, not for a file", "use -f tsv, csv, jsonl, json or parquet"
            )
        if resume and chosen not in _RESUMABLE:
            raise UsageError(f"a {chosen} file cannot be gone on with", f"use -f {', '.join(_RESUMABLE)}")
        return cls(chosen, output, resume, overwrite)

    @property
    def is_terminal(self) -> bool:
        """Whether a person sees each record as it comes."""
        return self.output is None and is_terminal(sys.stdout)

    @contextlib.contextmanager
    def opened(
        self, settings: Settings, found: Iterator["Found | None"], rows_per_image: int, tally: Tally
    ) -> Iterator[Write]:
        """A function that writes a record; the output is complete when the block ends.

        Args:
            settings: what the records depend on; a file begun with others is not gone on with.
            found: the inputs; those that are done already are taken off it.
            rows_per_image: csv rows of an image that could be read.
            tally: of records, those that are done already among them.
        """
        if self.output is None:
            yield from self._to_stdout()
            return
        file = PartFile(self.output)
        done = Progressed(0, 0, 0)
        if file.begin(settings, resume=self.resume, overwrite=self.overwrite):
            done = skip_recorded(found, file.part, self.format, rows_per_image)
            tally.records, tally.unreadable = done.records, done.unreadable
        if self.format is Format.PARQUET:
            from cnncli.render.parquet import parquet_writer

            with parquet_writer(file.part) as write:
                yield write
            file.complete()
            return
        renderer = LINE_RENDERERS[self.format]()
        with file.open(keep=done.end) as stream:

            def write(record: Record) -> None:
                stream.write(renderer.record(record).encode())
                stream.flush()

            if not done.end:
                stream.write(renderer.begin().encode())
            yield write
            stream.write(renderer.end().encode())

    def say_how_to_go_on(self, console: Console) -> None:
        """After an interrupt."""
        if self.output and self.format in _RESUMABLE:
            console.notice(
                f"what is done is kept in {PartFile(self.output).part}; --resume goes on from there"
            )

    def say_what_is_done(self, tally: Tally, console: Console) -> None:
        """At the end, where the records themselves do not show it."""
        failed = f"{tally.unreadable:,} of {tally.records:,} images could not be read"
        if self.output and tally.records:
            console.notice(
                f"{self.output}: {tally.records:,} records" + (f", {failed}" if tally.unreadable else "")
            )
        elif tally.unreadable:
            console.notice(failed)

    def _to_stdout(self) -> Iterator[Write]:
        renderer = self._stdout_renderer()
        write_data(renderer.begin())
        yield lambda record: write_data(renderer.record(record))
        write_data(renderer.end())

    def _stdout_renderer(self) -> Renderer:
        if self.format is Format.TABLE:
            import rich.console

            from cnncli.render.table import Table

            return Table(rich.console.Console())
        return LINE_RENDERERS[self.format]()


def _usual_format(output: Path | None) -> Format:
    if output is None:
        return Format.TABLE if is_terminal(sys.stdout) else Format.TSV
    try:
        ending = Format(output.suffix.removeprefix(".").lower())
    except ValueError:
        return Format.TSV
    return ending
