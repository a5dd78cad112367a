"""Options of training a network itself: one for each lever, none with a default of its own.

What a lever is when nobody says depends on the way of training, and `training.levers` knows it.
"""

import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from cnncli.records.augmentation import AutoAugment, Strength
from cnncli.records.training import Amp, Layout, Schedule

_HOW, _WHAT, _WHEN, _RUN = "How it learns", "What it sees", "When it ends", "How it runs"


def _number_or_auto(text: str) -> float:
    """A number; `auto` as NaN, which no learning rate is."""
    if text == "auto":
        return math.nan
    try:
        found = float(text)
    except ValueError:
        found = math.inf
    if not math.isfinite(found):
        raise typer.BadParameter(f"{text!r} is neither a number nor 'auto'")
    return found


def _two_numbers(text: str) -> tuple[float, float]:
    """`0.5,1`."""
    try:
        low, high = map(float, text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not two numbers with a comma between them") from error
    return low, high


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def _bytes(text: str) -> int:
    """`0`, `500M`, `8G`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", text.strip().lower())
    if not match:
        raise typer.BadParameter(f"{text!r} is not a size such as 500M or 8G")
    return round(float(match[1]) * _UNITS[match[2]])


def _option(flag: str, panel: str, help_: str, metavar: str = "X", **more: Any) -> Any:  # noqa: ANN401 - what Typer takes
    return typer.Option(flag, metavar=metavar, help=help_, rich_help_panel=panel, show_default=False, **more)


class LeverOptions:
    """Each lever's option: type, name, help."""

    epochs: Annotated[
        int | None,
        _option("--epochs", _WHEN, "Times that each image is seen.  [default: 10; scratch 30]", "N"),
    ]
    patience: Annotated[
        int | None, _option("--patience", _WHEN, "Stop after so many epochs without improvement.", "N")
    ]
    time_budget: Annotated[
        float | None,
        _option(
            "--time-budget",
            _WHEN,
            "Train for so many minutes at most; features before and measuring after it come on top.  [default: none; auto 15]",
            "MINUTES",
        ),
    ]
    opt: Annotated[
        str | None,
        _option(
            "--opt", _HOW, "Optimiser, by timm's name: adamw, sgd, rmsprop, lion, …  [default: adamw]", "NAME"
        ),
    ]
    lr: Annotated[
        float | None,
        _option(
            "--lr",
            _HOW,
            "Learning rate at its highest; auto looks for it.  [default: head 0.002, last and full 0.0003, scratch 0.001; "
            "20 times that for sgd]",
            "X|auto",
            parser=_number_or_auto,
        ),
    ]
    momentum: Annotated[float | None, _option("--momentum", _HOW, "Of sgd and others.  [default: 0.9]")]
    weight_decay: Annotated[
        float | None,
        _option(
            "--weight-decay",
            _HOW,
            "L2, of weights only.  [default: 0.05 with adamw and lion, 0.0005 with sgd, else 0; head 0.0001]",
        ),
    ]
    l1: Annotated[float | None, _option("--l1", _HOW, "Weight of L1 in the loss.  [default: 0]")]
    layer_decay: Annotated[
        float | None,
        _option(
            "--layer-decay",
            _HOW,
            "Factor of the learning rate from stage to stage downwards.  [default: 0.75; scratch 1]",
        ),
    ]
    sched: Annotated[
        Schedule | None,
        typer.Option(
            "--sched",
            help="How the learning rate changes.  [default: cosine]",
            rich_help_panel=_HOW,
            show_default=False,
        ),
    ]
    warmup_epochs: Annotated[
        float | None, _option("--warmup-epochs", _HOW, "In which it rises.  [default: 1; scratch 2]", "N")
    ]
    min_lr: Annotated[float | None, _option("--min-lr", _HOW, "What it ends at.  [default: 0]")]
    decay_epochs: Annotated[
        float | None, _option("--decay-epochs", _HOW, "Between steps of --sched step.  [default: 10]", "N")
    ]
    decay_rate: Annotated[
        float | None, _option("--decay-rate", _HOW, "Of each of those steps.  [default: 0.1]")
    ]
    initial_scale: Annotated[
        float | None,
        _option(
            "--initial-scale",
            _HOW,
            "Begin with images of this share of the side, which grow until four fifths of the epochs: faster.  [default: 1]",
        ),
    ]
    smoothing: Annotated[float | None, _option("--smoothing", _HOW, "Of labels.  [default: 0.1]")]
    drop: Annotated[
        float | None, _option("--drop", _HOW, "Dropout before the last layer.  [default: 0]", "P")
    ]
    drop_path: Annotated[float | None, _option("--drop-path", _HOW, "Of residual blocks.  [default: 0]", "P")]
    model_ema_decay: Annotated[
        float | None,
        _option(
            "--model-ema-decay", _HOW, "Keep a moving average of the weights, as 0.999.  [default: none]"
        ),
    ]
    clip_grad: Annotated[
        float | None, _option("--clip-grad", _HOW, "Largest norm of the gradient.  [default: none]")
    ]
    balanced_sampling: Annotated[
        bool | None,
        typer.Option(
            "--balanced-sampling",
            help="Draw each class alike often.",
            rich_help_panel=_HOW,
            show_default=False,
        ),
    ]
    kd_model: Annotated[
        Path | None,
        _option("--kd-model", _HOW, "Distillation: match the answers of this network, too.", "MODEL"),
    ]
    kd_weight: Annotated[
        float | None, _option("--kd-weight", _HOW, "What they count beside the labels.  [default: 0.5]")
    ]
    kd_temperature: Annotated[
        float | None, _option("--kd-temperature", _HOW, "That softens both.  [default: 2]")
    ]

    augment: Annotated[
        Strength | None,
        typer.Option(
            "--augment",
            help="How much training images are changed; the options below change parts of it.  [default: light]",
            rich_help_panel=_WHAT,
            show_default=False,
        ),
    ]
    scale: Annotated[
        str | None,  # what Typer would make two words of, were it a tuple
        _option(
            "--scale",
            _WHAT,
            "Share of the area that a view shows.  [default: 0.5,1]",
            "LOW,HIGH",
            parser=_two_numbers,
        ),
    ]
    ratio: Annotated[
        str | None,  # what Typer would make two words of, were it a tuple
        _option(
            "--ratio",
            _WHAT,
            "Width to height of that part.  [default: 0.75,1.333]",
            "LOW,HIGH",
            parser=_two_numbers,
        ),
    ]
    hflip: Annotated[
        float | None,
        _option(
            "--hflip",
            _WHAT,
            "Probability of a flip left-right; 0 for digits and letters.  [default: 0.5]",
            "P",
        ),
    ]
    vflip: Annotated[
        float | None, _option("--vflip", _WHAT, "Probability of a flip up-down.  [default: 0]", "P")
    ]
    rotate: Annotated[float | None, _option("--rotate", _WHAT, "By so many degrees at most.", "DEGREES")]
    translate: Annotated[float | None, _option("--translate", _WHAT, "By this share of each side at most.")]
    color_jitter: Annotated[
        float | None, _option("--color-jitter", _WHAT, "Of brightness, contrast, saturation.  [default: 0.2]")
    ]
    aa: Annotated[
        AutoAugment | None,
        typer.Option(
            "--aa", help="RandAugment or TrivialAugment.", rich_help_panel=_WHAT, show_default=False
        ),
    ]
    reprob: Annotated[float | None, _option("--reprob", _WHAT, "Probability of random erasing.", "P")]
    mixup: Annotated[float | None, _option("--mixup", _WHAT, "Alpha of mixup, as 0.2.", "ALPHA")]
    cutmix: Annotated[float | None, _option("--cutmix", _WHAT, "Alpha of CutMix, as 1.", "ALPHA")]
    mixup_off_epoch: Annotated[
        int | None, _option("--mixup-off-epoch", _WHAT, "No mixup and CutMix after so many epochs.", "N")
    ]

    grad_accum_steps: Annotated[
        int | None,
        _option("--grad-accum-steps", _RUN, "Compute each batch in so many pieces.  [default: 1]", "N"),
    ]
    amp: Annotated[
        Amp | None,
        typer.Option(
            "--amp",
            help="Arithmetic of training; auto measures whether bf16 is faster.  [default: auto]",
            rich_help_panel=_RUN,
            show_default=False,
        ),
    ]
    layout: Annotated[
        Layout | None,
        typer.Option(
            "--layout",
            help="Of images in memory; auto measures which is faster.  [default: auto]",
            rich_help_panel=_RUN,
            show_default=False,
        ),
    ]
    compile: Annotated[
        bool | None,
        typer.Option(
            "--compile",
            help="Use torch.compile; needs a C++ compiler.",
            rich_help_panel=_RUN,
            show_default=False,
        ),
    ]
    deterministic: Annotated[
        bool | None,
        typer.Option(
            "--deterministic",
            help="The same each time on GPUs, too, as it is on CPUs anyway.",
            rich_help_panel=_RUN,
            show_default=False,
        ),
    ]
    cache_size: Annotated[
        int | None,
        _option(
            "--cache-size",
            _RUN,
            "Decoded images that are kept, in a file without a name in CNNCLI_HOME.  [default: a quarter of free memory]",
            "SIZE",
            parser=_bytes,
        ),
    ]


def with_levers(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each lever, in place of its `**levers`."""
    own = inspect.signature(command, eval_str=True)
    hints = get_type_hints(LeverOptions, include_extras=True)
    kept = [parameter for parameter in own.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint)
        for name, hint in hints.items()
    ]
    parameters = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in kept]
    command.__signature__ = own.replace(parameters=parameters + added)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters + added}
    return command


def given(levers: dict[str, Any]) -> dict[str, Any]:
    """Those that were set; `--lr auto` as None."""
    values = {name: value for name, value in levers.items() if value is not None}
    if math.isnan(values.get("lr", 0.0)):
        values["lr"] = None
    return values
