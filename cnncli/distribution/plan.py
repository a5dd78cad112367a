"""The plan of an output in parts: what its answers depend on, and which range of the list of inputs is which part.

A part is a contiguous range of the list in bytes, with a digest of its own, so a list of 10^8 lines is read once, in constant
memory, and a list that has changed since is noticed where it has.
"""

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cnncli import remote
from cnncli.distribution.store import Store
from cnncli.errors import InputError, OutputError
from cnncli.files.part_file import Settings, changes_text
from cnncli.files.schema import schema_problem
from cnncli.images.path_list import is_table, open_list, read_list
from cnncli.images.sources import ImageInput, listed_sources
from cnncli.regular_file import open_regular
from cnncli.text import encoding_of, os_reason, parse_json

PLAN, INPUTS, SUCCESS = "plan.json", "inputs.txt", "_SUCCESS"

_SCHEMA = 1

_MAX_PATH_BYTES = 65536
"""Longest path of a list in bytes."""

_CHUNK = 1 << 20
"""Bytes of a list that are read at a time."""

_START_AGAIN = "give the same inputs and options, or another folder for the parts"


@dataclass(frozen=True, slots=True)
class Part:
    """A range of the list.

    Attributes:
        start, stop: in bytes.
        inputs: paths in it.
        sha256: digest of its bytes.
    """

    start: int
    stop: int
    inputs: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is computed, in which parts.

    Attributes:
        settings: everything that the answers depend on.
        card: of the network, as JSON.
        source: path or URL of the list of inputs; None if it is `INPUTS`, beside the plan.
        separator: what ends each path of the list.
        ending: of the parts' names.
        parts: in the order of the inputs.
    """

    settings: Settings
    card: str
    source: str | None
    separator: bytes
    ending: str
    parts: tuple[Part, ...]

    @property
    def threads(self) -> int:
        """Threads of the engine in each process."""
        return int(self.settings["threads"] or 1)

    @property
    def batch_size(self) -> int:
        """Images per batch."""
        return int(self.settings["batch_size"] or 1)

    @property
    def part_size(self) -> int:
        """Inputs of a part."""
        return int(self.settings["part_size"] or 1)

    def part_name(self, number: int) -> str:
        """`part-00017.csv`."""
        return f"part-{number:05d}{self.ending}"

    def missing(self, names: frozenset[str]) -> list[int]:
        """The numbers of the parts that are not among the names of a store."""
        return [number for number in range(len(self.parts)) if self.part_name(number) not in names]

    def require_same(self, settings: Settings, store: Store) -> None:
        """Check that the answers would depend on the same.

        Raises:
            OutputError: they would not.
        """
        if changes := changes_text(self.settings, settings):
            raise OutputError(f"{store} was planned with other settings: {changes}", _START_AGAIN)

    def inputs(self, number: int, store: Store) -> Iterator[ImageInput | None]:
        """The inputs of a part.

        Raises:
            InputError: the list cannot be read, or has changed since it was planned.
        """
        part, location = self.parts[number], self.source or store.locate(INPUTS)
        content = _read_range(location, part)
        if hashlib.sha256(content).hexdigest() != part.sha256:
            raise InputError(
                f"{location} has changed since it was planned (bytes {part.start:,} to {part.stop:,})",
                _START_AGAIN,
            )
        return listed_sources(read_list(io.BytesIO(content), separator=self.separator))

    def to_json(self) -> str:
        """The plan as JSON."""
        texts = {"card": parse_json(self.card), "separator": self.separator.decode()}
        return json.dumps({"schema": _SCHEMA} | dataclasses.asdict(self) | texts)

    @classmethod
    def from_json(cls, text: bytes, location: str) -> "Plan":
        """The plan in a JSON document.

        Args:
            text: the document.
            location: of the document, for errors.

        Raises:
            OutputError: it is not a plan, or one of another version.
        """
        try:
            document = parse_json(text)
            if problem := schema_problem(document.pop("schema", None), _SCHEMA, _START_AGAIN):
                raise OutputError(f"cannot use {location}: {problem.reason}", problem.hint)
            values = {
                "card": json.dumps(document["card"]),
                "separator": document["separator"].encode(),
                "parts": tuple(Part(**part) for part in document["parts"]),
            }
            return cls(**document | values)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise OutputError(f"{location} is not a plan: {error}", _START_AGAIN) from error


def find_plan(store: Store) -> Plan | None:
    """The plan in a store; None where there is none.

    Raises:
        OutputError: it cannot be read, or there are other files in its place.
    """
    names = store.names()
    if PLAN in names:
        return Plan.from_json(store.read(PLAN), store.locate(PLAN))
    if others := names - {INPUTS}:
        raise OutputError(
            f"{store} holds other files, such as {min(others)}, and no {PLAN}", "choose an empty folder"
        )
    return None


def save_plan(plan: Plan, store: Store) -> Plan:
    """Write a plan, unless another process was faster; the plan that is in the store then.

    Raises:
        OutputError: it cannot be written, or the other process plans something else.
    """
    if store.create(PLAN, plan.to_json().encode()):
        return plan
    earlier = Plan.from_json(store.read(PLAN), store.locate(PLAN))
    earlier.require_same(plan.settings, store)
    return earlier


def write_inputs(
    inputs: Iterable[ImageInput | None], store: Store, separator: bytes, size: int
) -> tuple[Part, ...]:
    """Write the paths of inputs to `INPUTS`, and divide them.

    Args:
        inputs: in order; None is skipped.
        store: to write to.
        separator: what ends each path.
        size: inputs of a part.

    Raises:
        InputError: a path contains the separator.
        OutputError: the list cannot be written.
    """

    def lines() -> Iterator[bytes]:
        for item in inputs:
            if item:
                line = _encode(item.path, separator)
                stream.write(line)
                yield line

    with store.open_new(INPUTS) as stream:
        return tuple(divide(lines(), separator, size))


def _encode(path: str, separator: bytes) -> bytes:
    line = os.fsencode(path)
    if separator in line or (separator == b"\n" and line.endswith(b"\r")):
        raise InputError(
            f"the path {path!r} holds a line end, which {INPUTS} cannot",
            "list the inputs with `find … -print0`, and read that list with --files-from - -0",
        )
    return line + separator


def is_divisible(source: str) -> bool:
    """Whether a list of paths can be read in ranges where it is: not a table, not a pipe, and not in UTF-16."""
    if is_table(source):
        return False
    if not remote.is_url(source) and not os.path.isfile(source):  # noqa: PTH113 - also False for a name that is too long
        return False
    with open_list(source, io.BytesIO()) as stream:
        return encoding_of(stream.read(4)).startswith("utf-8")


def divide_list(source: str, separator: bytes, size: int) -> tuple[Part, ...]:
    """The parts of a list of paths, which is read once.

    Args:
        source: path or URL of the list.
        separator: what ends each path.
        size: lines of a part.

    Raises:
        InputError: it cannot be read, or is not a list of paths.
    """
    with open_list(source, io.BytesIO()) as stream:
        return tuple(divide(iter(lambda: stream.read(_CHUNK), b""), separator, size))


def divide(chunks: Iterable[bytes], separator: bytes, size: int) -> Iterator[Part]:
    """Divide the bytes of a list.

    Args:
        chunks: pieces of the list, of any length.
        separator: what ends each path.
        size: lines of a part.

    Raises:
        InputError: it is not a list of paths.
    """
    start, rest = 0, b""
    waiting: list[bytes] = []
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(separator)
        if len(rest) > _MAX_PATH_BYTES:
            raise InputError(f"this is not a list of paths: {_MAX_PATH_BYTES:,} bytes without a line end")
        waiting += lines
        while len(waiting) >= size:
            part = _part(start, [*waiting[:size], b""], separator)
            del waiting[:size]
            start = part.stop
            if part.inputs:
                yield part
    if (last := _part(start, [*waiting, rest], separator)).inputs:
        yield last


def _part(start: int, lines: Sequence[bytes], separator: bytes) -> Part:
    """The part of these lines; the last one has no line end."""
    content = separator.join(lines)
    inputs = len(lines) - lines.count(b"") - (lines.count(b"\r") if separator == b"\n" else 0)
    return Part(start, start + len(content), inputs, hashlib.sha256(content).hexdigest())


def _read_range(location: str, part: Part) -> bytes:
    try:
        if remote.is_url(location):
            return remote.read(location, part.start, part.stop)
        with open_regular(location) as stream:
            stream.seek(part.start)
            return stream.read(part.stop - part.start)
    except OSError as error:
        raise InputError(f"cannot read the list {location}: {os_reason(error)}") from error
