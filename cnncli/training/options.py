"""Every lever of training a network itself: what it is when nobody says, and for which ways of training it is there.

Names are those of timm's training script where it has them.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnncli.errors import UsageError
from cnncli.images.augment import PRESETS
from cnncli.records.augmentation import Augmentation, Strength
from cnncli.records.training import Amp, Layout, Schedule, Tune


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How a network is trained.

    Attributes:
        epochs: times that each training image is seen.
        batch_size: images of a step, over all processes.
        opt: optimiser, as timm's factory calls it.
        lr: learning rate at its highest; None finds one by a range test.
        momentum: of optimisers that have one.
        weight_decay: L2, of weights and not of biases and norms.
        l1: weight of the sum of the weights' absolute values in the loss.
        layer_decay: factor by which the learning rate falls from each stage to the one below it.
        sched: how the learning rate changes.
        warmup_epochs: in which it rises from nothing.
        min_lr: which it ends at.
        decay_epochs: between two steps of the schedule `step`.
        decay_rate: factor of each.
        initial_scale: side of training images at first, as a share of what it becomes (progressive resizing); 1 for
            no change.
        drop: probability that a number entering the last layer is dropped.
        drop_path: probability that the last residual block is skipped; falls to zero towards the first.
        smoothing: of labels, share given to all classes alike.
        mixup: alpha of mixup (Zhang et al., 2017); 0 switches it off.
        cutmix: alpha of CutMix (Yun et al., 2019); 0 switches it off.
        mixup_off_epoch: epochs after which images are not mixed any more, by either; 0 for mixing to the end.
        model_ema_decay: of the weights' moving average, which is then what is kept; 0 keeps none.
        kd_model: a model folder whose answers are to be matched, too.
        kd_weight: what they count, from 0 to 1; the labels count the rest.
        kd_temperature: that softens both.
        clip_grad: largest norm of the gradient; 0 leaves it as it is.
        grad_accum_steps: pieces that a batch is computed in.
        balanced_sampling: each class is drawn alike often.
        patience: epochs without improvement after which training ends; 0 for no such end.
        time_budget: minutes after which training ends; 0 for no such end.
        amp: arithmetic of the forward pass.
        layout: of images in memory.
        compile: by torch.compile.
        deterministic: algorithms only that give the same each time, on GPUs, too.
        cache_size: bytes of decoded images that are kept; None for a quarter of the free memory.
        augment: preset of what happens to training images.
        augmentation: what it comes to.
    """

    epochs: int
    batch_size: int = 32
    opt: str = "adamw"
    lr: float | None = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.05
    l1: float = 0.0
    layer_decay: float = 1.0
    sched: Schedule = Schedule.COSINE
    warmup_epochs: float = 1.0
    min_lr: float = 0.0
    decay_epochs: float = 10.0
    decay_rate: float = 0.1
    initial_scale: float = 1.0
    drop: float = 0.0
    drop_path: float = 0.0
    smoothing: float = 0.1
    mixup: float = 0.0
    cutmix: float = 0.0
    mixup_off_epoch: int = 0
    model_ema_decay: float = 0.0
    kd_model: Path | None = None
    kd_weight: float = 0.5
    kd_temperature: float = 2.0
    clip_grad: float = 0.0
    grad_accum_steps: int = 1
    balanced_sampling: bool = False
    patience: int = 0
    time_budget: float = 0.0
    amp: Amp = Amp.AUTO
    layout: Layout = Layout.AUTO
    compile: bool = False
    deterministic: bool = False
    cache_size: int | None = None
    augment: Strength = Strength.LIGHT
    augmentation: Augmentation = PRESETS[Strength.LIGHT]

    def mixes(self, epoch: int) -> bool:
        """Whether images are mixed in the epoch that follows on so many."""
        return bool(self.mixup or self.cutmix) and (not self.mixup_off_epoch or epoch < self.mixup_off_epoch)


_AUGMENTATIONS = tuple(field.name for field in dataclasses.fields(Augmentation))

NAMES = (
    *(field.name for field in dataclasses.fields(TrainingOptions) if field.name != "augmentation"),
    *_AUGMENTATIONS,
)
"""Of all levers, as options are called, with `_` for `-`."""

_DEFAULTS: Mapping[Tune, Mapping[str, Any]] = {
    Tune.HEAD: {"epochs": 10, "lr": 2e-3, "weight_decay": 1e-4},
    Tune.LAST: {"epochs": 10, "lr": 3e-4, "layer_decay": 0.75},
    Tune.FULL: {"epochs": 10, "lr": 3e-4, "layer_decay": 0.75},
    Tune.AUTO: {"epochs": 10, "lr": 3e-4, "layer_decay": 0.75, "time_budget": 15.0},
    Tune.SCRATCH: {"epochs": 30, "lr": 1e-3, "warmup_epochs": 2.0},
}

_SGD_LIKE, _LION_LIKE = ("sgd", "nesterov", "momentum", "lars"), ("lion",)
_SGD_FACTOR, _LION_FACTOR = 20, 0.2
"""By which their usual learning rates differ from Adam's."""


def chosen(tune: Tune, given: Mapping[str, Any]) -> TrainingOptions | None:
    """All levers for a way of training; None for `features`, which has none of them.

    Args:
        tune: the way.
        given: those that were set, by name.

    Raises:
        UsageError: one is out of its range, has no effect in this way of training or beside another one.
    """
    if tune is Tune.FEATURES:
        if useless := [spelled(name) for name in given if name != "batch_size"]:
            raise UsageError(
                f"{', '.join(useless)}: no effect with --tune features, which leaves the network as it is",
                "choose --tune head, last:N, full, scratch or auto",
            )
        return None
    if problems := [*_without_effect(tune, given), *_out_of_range(given)]:
        raise UsageError("; ".join(problems))
    values: dict[str, Any] = dict(_DEFAULTS[tune])
    if "lr" not in given:
        values["lr"] *= _lr_factor(given.get("opt", "adamw"))
    if tune is not Tune.HEAD:
        values["weight_decay"] = _usual_decay(given.get("opt", "adamw"))
    values |= {name: value for name, value in given.items() if name not in _AUGMENTATIONS}
    if values.get("min_lr", 0) > (values["lr"] or math.inf):
        raise UsageError(f"--min-lr is above --lr, {values['lr']:g}, and the learning rate would rise")
    strength = given.get("augment", Strength.LIGHT)
    changes = {name: value for name, value in given.items() if name in _AUGMENTATIONS}
    augmentation = dataclasses.replace(PRESETS[strength], **changes)
    return TrainingOptions(**(values | {"augmentation": augmentation}))


def _lr_factor(opt: str) -> float:
    if opt.startswith(_SGD_LIKE):
        return _SGD_FACTOR
    return _LION_FACTOR if opt.startswith(_LION_LIKE) else 1


def _usual_decay(opt: str) -> float:
    """Much where the optimiser keeps it apart from the gradient (Loshchilov and Hutter, 2017); elsewhere it would rule."""
    if opt.endswith("w") or opt.startswith(_LION_LIKE):
        return 0.05
    return 5e-4 if opt.startswith(_SGD_LIKE) else 0.0


def _without_effect(tune: Tune, given: Mapping[str, Any]) -> Iterator[str]:
    """What would be accepted and ignored."""
    for option, meant in (
        ("layer_decay", {Tune.LAST, Tune.FULL, Tune.AUTO, Tune.SCRATCH}),
        ("drop_path", {Tune.LAST, Tune.FULL, Tune.AUTO, Tune.SCRATCH}),
    ):
        if given.get(option) not in {None, 0, 1} and tune not in meant:
            yield f"{spelled(option)} has no effect with --tune {tune}"
    for option, (need, is_met) in _NEEDS.items():
        if option in given and not is_met(given):
            yield f"{spelled(option)} needs {need}"
    if "ratio" in given and "scale" not in given and given.get("augment") == Strength.NONE:
        yield "--ratio needs --scale, as --augment none shows whole images"


def _steps(given: Mapping[str, Any]) -> bool:
    return _sched(given) is Schedule.STEP


def _has_teacher(given: Mapping[str, Any]) -> bool:
    return given.get("kd_model") is not None


def _has_momentum(given: Mapping[str, Any]) -> bool:
    return str(given.get("opt", "adamw")).startswith((*_SGD_LIKE, "rmsprop", "muon", "madgrad"))


def _sched(given: Mapping[str, Any]) -> Schedule:
    found: Schedule = given.get("sched", Schedule.COSINE)
    return found


_NEEDS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], bool]]] = {
    "decay_epochs": ("--sched step", _steps),
    "decay_rate": ("--sched step", _steps),
    "min_lr": ("a --sched that falls", lambda given: _sched(given) is not Schedule.CONSTANT),
    "warmup_epochs": (
        "another --sched: onecycle warms up by itself",
        lambda given: _sched(given) is not Schedule.ONE_CYCLE,
    ),
    "kd_weight": ("--kd-model", _has_teacher),
    "kd_temperature": ("--kd-model", _has_teacher),
    "momentum": ("an optimiser that has it, as --opt sgd", _has_momentum),
    "mixup_off_epoch": (
        "--mixup or --cutmix",
        lambda given: not given.get("mixup_off_epoch") or bool(given.get("mixup") or given.get("cutmix")),
    ),
}
"""What levers need beside them: how it is told, and whether it is among those that were set."""


def is_in_effect(name: str, levers: TrainingOptions) -> bool:
    """Whether a lever does something beside the others: what a run writes down, so that it can be read again."""
    if name not in _NEEDS:
        return True
    _, is_met = _NEEDS[name]
    return is_met({field.name: getattr(levers, field.name) for field in dataclasses.fields(levers)})


def _out_of_range(given: Mapping[str, Any]) -> Iterator[str]:
    for option, value in given.items():
        limits = _LIMITS.get(option)
        if limits is None or value is None:
            continue
        least, most, told = limits
        numbers = value if isinstance(value, tuple) else (value,)
        if not all(math.isfinite(number) and least <= number <= most for number in numbers):
            shown = ",".join(f"{number:g}" for number in numbers)
            yield f"{spelled(option)} is {told}, not {shown}"
        elif isinstance(value, tuple) and value[0] > value[1]:
            yield f"{spelled(option)} has its smaller number first"


_TINY = 1e-12
_SHARE = (0.0, 1.0, "a number from 0 to 1")
_ABOVE = (_TINY, math.inf, "a number above 0")
_FROM_0 = (0.0, math.inf, "a number from 0")

_LIMITS: Mapping[str, tuple[float, float, str]] = {
    "epochs": (1, 100_000, "a number from 1 to 100,000"),
    "batch_size": (1, 65_536, "a number from 1 to 65,536"),
    "lr": (_TINY, 1000, "a number above 0 (as 0.001), or auto"),
    "momentum": (0, 0.9999, "a number from 0 to below 1"),
    "weight_decay": _FROM_0,
    "l1": _FROM_0,
    "layer_decay": (_TINY, 1, "a number above 0, up to 1"),
    "warmup_epochs": _FROM_0,
    "min_lr": _FROM_0,
    "decay_epochs": _ABOVE,
    "decay_rate": (_TINY, 1, "a number above 0, up to 1"),
    "initial_scale": (0.1, 1, "a number from 0.1 to 1"),
    "drop": (0, 0.99, "a number from 0 to 0.99"),
    "drop_path": (0, 0.99, "a number from 0 to 0.99"),
    "smoothing": (0, 0.99, "a number from 0 to 0.99"),
    "mixup": _FROM_0,
    "cutmix": _FROM_0,
    "mixup_off_epoch": (0, 100_000, "a number from 0"),
    "model_ema_decay": (0, 0.999999, "a number from 0 to below 1"),
    "kd_weight": _SHARE,
    "kd_temperature": _ABOVE,
    "clip_grad": _FROM_0,
    "grad_accum_steps": (1, 65_536, "a number from 1"),
    "patience": (0, 100_000, "a number from 0"),
    "time_budget": _FROM_0,
    "cache_size": _FROM_0,
    "scale": (_TINY, 1, "two shares of the area above 0, up to 1, as 0.5,1"),
    "ratio": (0.1, 10, "two ratios of width to height from 0.1 to 10, as 0.75,1.333"),
    "hflip": _SHARE,
    "vflip": _SHARE,
    "rotate": (0, 180, "a number of degrees from 0 to 180"),
    "translate": _SHARE,
    "color_jitter": _SHARE,
    "reprob": _SHARE,
}
"""Least and largest value of each lever, and how its range is told."""


def spelled(name: str) -> str:
    """A lever as it is typed."""
    return "--" + name.replace("_", "-")


CHANGEABLE = frozenset({"epochs", "patience", "time_budget", "cache_size"})
"""TrainingOptions that may be others when a run goes on: what has been learned so far stays valid."""
