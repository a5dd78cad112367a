"""Where records go: a table on the terminal, lines on stdout, a file that grows and can be resumed."""

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cnncli.cli.console import Console, is_pipe, is_terminal, write_data
from cnncli.errors import MissingPackageError, UsageError
from cnncli.files.part_file import PartFile, Settings
from cnncli.files.place import require_place
from cnncli.images.sources import STDIN, Found
from cnncli.records.predictions import Record, Unreadable
from cnncli.render.lines import LINE_RENDERERS, Format, Renderer
from cnncli.render.recorded import ResumePoint, skip_recorded
from cnncli.text import counted

_RESUMABLE = (Format.TSV, Format.CSV, Format.JSONL)


@dataclass(slots=True)
class Sink:
    """Takes records, and counts them.

    Attributes:
        records: taken so far, those of the run that this one goes on from among them.
        unreadable: how many of them have no prediction.
    """

    _write: Callable[[Record], None]
    records: int = 0
    unreadable: int = 0

    def write(self, record: Record) -> None:
        """One more."""
        self._write(record)
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
            MissingPackageError: the format needs a package that is not installed.
            OutputError: the file cannot be written there.
        """
        if output == Path(STDIN):  # as everywhere, - is the standard stream
            output = None
        if output is not None and not output.name:
            raise UsageError("--output is empty", "give a file's name, or - for standard output")
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
        if chosen is Format.PARQUET and importlib.util.find_spec("pyarrow") is None:
            raise MissingPackageError("Parquet needs the package pyarrow", "pip install 'cnncli[parquet]'")
        if output is not None:
            require_place(output)
        return cls(chosen, output, resume, overwrite)

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing left to resume: an earlier run came to its end."""
        return (
            self.resume
            and not self.overwrite
            and self.output is not None
            and PartFile(self.output).is_complete
        )

    @property
    def hides_progress(self) -> bool:
        """Whether a progress bar would run into the data: on a terminal, or in a pipe that may lead to one."""
        return self.output is None and (is_terminal(sys.stdout) or is_pipe(sys.stdout))

    @contextlib.contextmanager
    def opened(
        self, settings: Settings, found: Iterator[Found | None], rows_per_image: int
    ) -> Iterator[Sink]:
        """A sink; the output is complete when the block ends.

        Args:
            settings: what the records depend on; a file begun with others is not gone on with.
            found: the inputs; those that are done already are taken off it.
            rows_per_image: csv rows of an image that could be read.
        """
        if self.output is None:
            renderer = self._stdout_renderer()
            write_data(renderer.begin())
            yield Sink(lambda record: write_data(renderer.record(record)))
            write_data(renderer.end())
            return
        file = PartFile(self.output, is_resumable=self.format in _RESUMABLE)
        with contextlib.closing(file):
            done = ResumePoint(0, 0, 0)
            if file.begin({"format": self.format, **settings}, resume=self.resume, overwrite=self.overwrite):
                done = skip_recorded(found, file.part, self.format, rows_per_image)
            sink = None
            try:
                with self._filling(file, done) as sink:
                    yield sink
            except BaseException:
                if not (sink or done).records:
                    file.discard()
                raise

    @contextlib.contextmanager
    def _filling(self, file: PartFile, done: ResumePoint) -> Iterator[Sink]:
        """A sink that writes to a file after what is done already."""
        if self.format is Format.PARQUET:
            from cnncli.render.parquet import parquet_writer

            with parquet_writer(file.part) as write:
                yield Sink(write)
            file.complete()
            return
        renderer = LINE_RENDERERS[self.format]()
        with file.opened(keep=done.end) as append:
            if not done.end:
                append(renderer.begin().encode())
            yield Sink(lambda record: append(renderer.record(record).encode()), done.records, done.unreadable)
            append(renderer.end().encode())

    def say_how_to_go_on(self, console: Console) -> None:
        """After an interrupt."""
        if self.output and self.format in _RESUMABLE:
            console.notice(
                f"what is done is kept in {PartFile(self.output).part}; --resume goes on from there"
            )

    def say_what_is_done(self, sink: Sink, console: Console) -> None:
        """At the end, where the records themselves do not show it."""
        failed = f"{sink.unreadable:,} of {counted(sink.records, 'image')} could not be read"
        if self.output and sink.records:
            console.notice(
                f"{self.output}: {counted(sink.records, 'record')}"
                + (f", {failed}" if sink.unreadable else "")
            )
        elif sink.unreadable:
            console.notice(failed)

    def _stdout_renderer(self) -> Renderer:
        if self.format is Format.TABLE:
            import rich.console

            from cnncli.render.table import Table

            return Table(rich.console.Console())
        return LINE_RENDERERS[self.format]()


_ENDINGS = {
    "": Format.TSV,
    ".txt": Format.TSV,
    ".tsv": Format.TSV,
    ".csv": Format.CSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".json": Format.JSON,
    ".parquet": Format.PARQUET,
}


def _usual_format(output: Path | None) -> Format:
    if output is None:
        return Format.TABLE if is_terminal(sys.stdout) else Format.TSV
    try:
        return _ENDINGS[output.suffix.lower()]
    except KeyError:
        raise UsageError(f"no format is known for {output.suffix}", "say which with -f") from None
