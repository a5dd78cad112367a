"""Destinations of records: a table on the terminal, lines on stdout, or a file that can be resumed."""

import contextlib
import functools
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.cli.console import Console, is_pipe, is_terminal, write_data
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import MissingPackageError, OutputError, UsageError
from cnncli.files.output_path import require_writable_file
from cnncli.images.file_names import STDIN
from cnncli.images.sources import ImageInput
from cnncli.records.predictions import Record, RecordLayout, Unreadable
from cnncli.render.formats import Format, format_of
from cnncli.render.lines import Renderer
from cnncli.text import counted, install_command

if TYPE_CHECKING:
    from cnncli.files.part_file import PartFile, Settings
    from cnncli.render.resume import ResumePoint


@dataclass(slots=True)
class Sink:
    """Writes records, and counts them.

    Attributes:
        records: number written so far, including those of the run that is resumed.
        unreadable: number of those without a prediction.
        failure: the last of these that this run wrote.
    """

    _write: Callable[[Record], None]
    records: int = 0
    unreadable: int = 0
    failure: Unreadable | None = None

    def write(self, record: Record) -> None:
        """Write a record."""
        self._write(record)
        self.records += 1
        if isinstance(record, Unreadable):
            self.unreadable += 1
            self.failure = record


@frozen_dataclass
class Destination:
    """Where records go, and in which format.

    Attributes:
        format: of the records.
        output: a file; None is stdout.
        resume: continue the file of an earlier run.
        overwrite: replace an existing file.
    """

    format: Format
    output: Path | None
    resume: bool
    overwrite: bool

    @classmethod
    def from_options(
        cls,
        format_: Format | None,
        output: Path | None,
        *,
        resume: bool,
        overwrite: bool,
        exif: bool = False,
    ) -> "Destination":
        """The destination that the options describe.

        The default format depends on the file's suffix, or on whether stdout is a terminal.

        Raises:
            UsageError: the options contradict each other.
            MissingPackageError: the format needs a package that is not installed.
            OutputError: the file cannot be written there.
        """
        if output == Path(STDIN):  # - is the standard stream, as everywhere
            output = None
        format_ = format_ or _default_format(output)
        _require_exif(format_, exif=exif)
        if output is None:
            _require_valid_for_stdout(format_, resume=resume)
        else:
            _require_valid_for_file(format_, resume=resume)
            require_writable_file(output)
        return cls(format_, output, resume, overwrite)

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing to resume, because an earlier run completed the file."""
        if not self.resume or self.overwrite or self.output is None:
            return False
        from cnncli.files.part_file import PartFile

        return PartFile(self.output).is_complete

    @property
    def hides_progress(self) -> bool:
        """Whether a progress bar would mix with the data: in a pipe that may lead to a terminal."""
        return self.output is None and is_pipe(sys.stdout)

    @contextlib.contextmanager
    def open_sink(
        self,
        identity: Callable[[], "Settings"],
        inputs: Iterator[ImageInput | None],
        layout: RecordLayout,
    ) -> Iterator[Sink]:
        """A sink; the output is complete when the block ends.

        Args:
            identity: returns what the records depend on; a file that was started with something else is not resumed.
            inputs: the images; those that the file already has records for are consumed.
            layout: of the records.
        """
        if self.output is None:
            renderer = self._renderer(layout)
            write = functools.partial(write_data, is_styled=self.format is Format.TABLE)
            write(renderer.begin())
            yield Sink(lambda record: write(renderer.record(record)))
            write(renderer.end())
            return
        from cnncli.files.part_file import PartFile
        from cnncli.render.resume import ResumePoint, skip_complete

        reader = self.format.spec.reader
        file = PartFile(self.output, is_resumable=reader is not None)
        with contextlib.closing(file):
            point = ResumePoint(0, 0, 0)
            is_resumed = file.begin(
                {"format": self.format, **identity()}, resume=self.resume, overwrite=self.overwrite
            )
            if reader and is_resumed:
                point = skip_complete(inputs, file.part, reader(), layout)
            sink = None
            try:
                with self._open_file(file, point, layout) as sink:
                    yield sink
            except BaseException as error:
                is_resumable = reader is not None and bool((sink or point).records)
                if not is_resumable:
                    file.discard()
                if isinstance(error, OutputError) and not error.hint:
                    error.hint = (
                        f"finished records are kept in {file.part}; free some space, then add --resume"
                        if is_resumable
                        else "nothing was kept; free some space, or write to another disk with -o"
                    )
                raise

    @contextlib.contextmanager
    def _open_file(self, file: "PartFile", point: "ResumePoint", layout: RecordLayout) -> Iterator[Sink]:
        """A sink that writes to a file after its complete records."""
        if self.format.spec.writer:
            with self.format.spec.writer(file.part, layout) as write:
                yield Sink(write)
            file.complete()
            return
        renderer = self._renderer(layout)
        with file.open(keep=point.end) as append:
            if not point.end:
                append(renderer.begin().encode())
            yield Sink(
                lambda record: append(renderer.record(record).encode()), point.records, point.unreadable
            )
            append(renderer.end().encode())

    def _renderer(self, layout: RecordLayout) -> Renderer:
        if self.format.spec.renderer is None:
            raise ValueError(f"{self.format} is not text")  # refused by from_options
        return self.format.spec.renderer(layout)

    def report_interrupt(self, console: Console) -> None:
        """Report how to continue after an interrupt."""
        if self.output and self.format.spec.reader:
            from cnncli.files.part_file import PartFile

            console.notice(f"finished records are kept in {PartFile(self.output).part}; --resume continues")

    def report_counts(self, sink: Sink, console: Console) -> None:
        """Report how many records were written and how many images were unreadable, unless the output shows it."""
        failures = f"{sink.unreadable:,} of {counted(sink.records, 'image')} could not be read"
        if sink.records == 1 and sink.failure:  # a count would add nothing
            failures = f"{sink.failure.path}: {sink.failure.reason}"
        if self.output and sink.records:
            form = "" if self.output.suffix else f" in the format {self.format}"
            console.notice(
                f"{self.output}: {counted(sink.records, 'record')}{form}"
                + (f", {failures}" if sink.unreadable else "")
            )
        elif sink.unreadable and (sink.records > 1 or self.format.spec.has_reasons):
            console.notice(failures)


def _default_format(output: Path | None) -> Format:
    if output is None:
        return Format.TABLE if is_terminal(sys.stdout) else Format.TSV
    if format_ := format_of(output):
        return format_
    endings = ", ".join(ending for other in Format for ending in other.spec.endings if ending)
    raise UsageError(
        f"no output format has the ending {output.suffix}", f"choose one with -f, or one of {endings}"
    )


def _require_valid_for_stdout(format_: Format, *, resume: bool) -> None:
    if format_.spec.renderer is None:
        raise UsageError(
            f"{format_} is not text, so it needs a file", f"add --output FILE{format_.spec.endings[0]}"
        )
    if resume:
        raise UsageError("--resume has no effect without --output")


def require_valid_for_parts(format_: Format | None, *, exif: bool) -> Format:
    """The format of parts: that of `--format`, by default csv.

    Raises:
        UsageError: files of this format cannot be joined.
        MissingPackageError: it needs a package that is not installed.
    """
    format_ = format_ or Format.CSV
    if format_.spec.joiner is None:
        joinable = [other for other in Format if other.spec.joiner]
        raise UsageError(
            f"{format_} files cannot be joined", f"use -f {', '.join(joinable[:-1])} or {joinable[-1]}"
        )
    _require_exif(format_, exif=exif)
    _require_package(format_)
    return format_


def _require_exif(format_: Format, *, exif: bool) -> None:
    """Check that records of a format have a place for EXIF, if it is asked for.

    Raises:
        UsageError: they have none.
    """
    if exif and not format_.spec.has_exif:
        names = [other for other in Format if other.spec.has_exif]
        raise UsageError(
            f"a {format_} has no columns for --exif", f"use -f {', '.join(names[:-1])} or {names[-1]}"
        )


def _require_valid_for_file(format_: Format, *, resume: bool) -> None:
    spec = format_.spec
    if not spec.endings:
        names = [other for other in Format if other.spec.endings]
        raise UsageError(
            f"a {format_} is for the terminal, not for a file",
            f"use -f {', '.join(names[:-1])} or {names[-1]}",
        )
    if resume and spec.reader is None:
        resumable = ", ".join(other for other in Format if other.spec.reader)
        raise UsageError(f"a {format_} file cannot be resumed", f"use -f {resumable}")
    _require_package(format_)


def _require_package(format_: Format) -> None:
    spec = format_.spec
    if spec.package and importlib.util.find_spec(spec.package) is None:
        hint = install_command(f"cnncli[{format_}]")
        raise MissingPackageError(f"-f {format_} needs the package {spec.package}", hint)
