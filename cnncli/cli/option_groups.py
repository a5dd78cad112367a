"""Options that belong together, declared once, which a command takes as one value.

A command with a parameter `network: NetworkOptions` and the decorator `takes_groups` has the options of this group in its place.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cnncli.cli import options
from cnncli.cli.inputs import Inputs
from cnncli.dataclass import frozen_dataclass
from cnncli.records.defaults import MAX_PIXELS, PATH_COLUMN
from cnncli.records.engines import EngineName, EngineOptions, InferenceOptions, Precision

if TYPE_CHECKING:
    from cnncli.networks.reference import Reference
    from cnncli.records.progress import Progress


@frozen_dataclass
class OptionGroup:
    """Base of the groups: dataclasses whose fields are annotated with the options of Typer."""


def takes_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of each group that it takes, in place of the parameter for the group."""
    signature = inspect.signature(command, eval_str=True)
    groups = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if isinstance(parameter.annotation, type) and issubclass(parameter.annotation, OptionGroup)
    }

    @functools.wraps(command)
    def run(**values: Any) -> None:  # noqa: ANN401 - values of any options
        for name, group in groups.items():
            values[name] = group(
                **{field.name: values.pop(field.name) for field in dataclasses.fields(group)}
            )
        command(**values)

    parameters = list(_expand(signature, groups))
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _expand(signature: inspect.Signature, groups: dict[str, Any]) -> Iterator[inspect.Parameter]:
    """The parameters of a command, all by keyword, with those of the groups in their places."""
    for name, parameter in signature.parameters.items():
        if name in groups:
            for field in dataclasses.fields(groups[name]):
                yield inspect.Parameter(
                    field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type
                )
        elif parameter.kind is parameter.VAR_KEYWORD:
            yield parameter
        else:
            yield parameter.replace(kind=parameter.KEYWORD_ONLY)


@frozen_dataclass
class NetworkOptions(OptionGroup):
    """What goes with the name of a model: its weights, input size, and whether to download.

    Raises:
        UsageError: an invalid image size.
    """

    weights: options.Weights = None
    no_pretrained: options.NoPretrained = False
    img_size: options.ImageSize = None
    offline: options.Offline = False

    def __post_init__(self) -> None:
        options.image_size(self.img_size)  # usage errors come before slow imports

    def reference(
        self, model: str | None, progress: "Progress", labels: options.Labels = None
    ) -> "Reference":
        """The model of this name; the default model for None.

        Args:
            model: `--model`.
            progress: reports if the built-in model replaces the default.
            labels: `--labels`.

        Raises:
            UsageError: options that contradict each other.
        """
        return options.reference(
            model,
            progress,
            weights=self.weights,
            labels=labels,
            no_pretrained=self.no_pretrained,
            img_size=self.img_size,
        )


@frozen_dataclass
class InputListOptions(OptionGroup):
    """A list of paths, beside the arguments."""

    files_from: options.FilesFrom = None
    null: options.NullSeparated = False
    path_column: options.PathColumn = PATH_COLUMN

    def inputs(
        self, arguments: Sequence[str] | None, image_column: str | None = None, watch: str | None = None
    ) -> Inputs:
        """The inputs of a command, as `Inputs.from_options`."""
        return Inputs.from_options(
            arguments or (),
            self.files_from,
            null=self.null,
            path_column=self.path_column,
            image_column=image_column,
            watch=watch,
        )


@frozen_dataclass
class ComputeOptions(OptionGroup):
    """How images are read and a network is run."""

    max_pixels: options.MaxPixels = None
    device: options.Device = "auto"
    engine: options.Engine = EngineName.AUTO
    precision: options.PrecisionOption = Precision.FP32
    batch_size: options.BatchSize = None
    workers: options.Workers = None

    def inference(self, *, tta: bool = False, exact_decode: bool = False) -> InferenceOptions:
        """The options of a session."""
        return InferenceOptions(
            max_pixels=self.max_pixels or MAX_PIXELS,
            exact_decode=exact_decode,
            tta=tta,
            engine=EngineOptions(self.engine, self.device, self.precision),
            batch_size=self.batch_size,
            workers=self.workers,
        )
