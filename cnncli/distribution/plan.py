"""The plan of an output in parts: what its answers depend on, and which range of the list of inputs is which part."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator

from cnncli import __version__
from cnncli.dataclass import frozen_dataclass
from cnncli.distribution.input_list import Part, divide_list, is_divisible, read_part, write_list
from cnncli.distribution.store import Store
from cnncli.distribution.tasks import PartTask, PartWorker
from cnncli.errors import InputError, OutputError
from cnncli.files.part_file import Settings, changes_text
from cnncli.files.schema import schema_problem
from cnncli.images.sources import ImageInput
from cnncli.networks import card as cards
from cnncli.records.defaults import PART_SIZE
from cnncli.records.networks import ModelCard
from cnncli.text import parse_json

PLAN, INPUTS, SUCCESS = "plan.json", "inputs.txt", "_SUCCESS"

_SCHEMA = 1

_START_AGAIN = "give the same inputs and options, or another folder for the parts"


@frozen_dataclass
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
    def command(self) -> str:
        """The command that computes the parts."""
        return str(self.settings["command"])

    @property
    def model_card(self) -> ModelCard:
        """The network's card.

        Raises:
            ModelFolderError: it is damaged.
        """
        return cards.from_json(self.card, PLAN)

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

    def require_same(self, settings: Settings, store: object) -> None:
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
        location = self.source or store.locate(INPUTS)
        return read_part(location, self.parts[number], self.separator, has_reasons=not self.source)

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


def require_plan(store: Store) -> Plan:
    """The plan in a store.

    Raises:
        InputError: there is none.
        OutputError: it cannot be read.
    """
    if plan := find_plan(store):
        return plan
    raise InputError(f"{store} has no {PLAN}", "give the folder or URL that --parts wrote to")


@frozen_dataclass
class PlanInputs:
    """The inputs of a command.

    Attributes:
        text: as they were typed.
        sources: opens them, in order.
        list_file: path or URL of the list of paths that they are, if they are nothing else.
        separator: what ends each path in a list of them.
    """

    text: str
    sources: Callable[[], Iterable[ImageInput | None]]
    list_file: str | None = None
    separator: bytes = b"\n"


def make_plan(
    task: PartTask,
    worker: PartWorker,
    inputs: PlanInputs,
    store: Store,
    earlier: Plan | None,
    *,
    size: int | None,
) -> Plan:
    """The plan that is in a store already, or a new one, which is saved there.

    Args:
        task: what is computed.
        worker: the same with its network open.
        inputs: for which it is computed.
        store: where the parts go.
        earlier: the plan in the store.
        size: inputs of a part; None for that of the earlier plan, else the default.

    Raises:
        InputError: the inputs cannot be listed, or there are none.
        OutputError: the earlier plan is of something else, or none can be written.
    """
    size = size or (earlier.part_size if earlier else PART_SIZE)
    settings = {
        "command": task.command,
        "cnncli": __version__,
        "inputs": inputs.text,
        "part_size": size,
        **worker.identity,
    }
    if earlier:
        earlier.require_same(settings, store)
        return earlier
    source = inputs.list_file if inputs.list_file and is_divisible(inputs.list_file) else None
    if source:
        parts = divide_list(source, inputs.separator, size)
    else:
        with store.open_new(INPUTS) as stream:
            parts = write_list(inputs.sources(), stream, inputs.separator, size)
    if not parts:
        raise InputError(f"no images in {inputs.text}")
    return save_plan(
        Plan(settings, cards.to_json(worker.card), source, inputs.separator, task.ending, parts), store
    )


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
