"""The options for training the network itself: each is declared once, with its help, range, defaults and conditions.

The command line derives its options from these declarations. Names are those of timm's training script where it has
them. Knows neither Typer nor timm.
"""

import dataclasses
import functools
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from cnncli.dataclass import frozen_dataclass
from cnncli.networks.normalization import Normalization
from cnncli.records.augmentation import PRESETS, Augmentation, AutoAugment, Strength
from cnncli.records.training import Amp, Initialization, Keep, Layout, Schedule, Tune
from cnncli.training.declaration import Kind, OptimizerFamily, Option, Requirement
from cnncli.training.optimizer_names import base_name

STOPPING, OPTIMISATION, REGULARISATION = "Stopping", "Optimisation", "Regularisation"
DISTILLATION, AUGMENTATION, RUNTIME = "Distillation", "Augmentation", "Runtime"
"""Headings of the help."""

OPTIMIZER_FAMILIES = (
    OptimizerFamily(("sgd*w", "nesterov*w"), "sgdw", 20, 0.05, has_momentum=True),
    OptimizerFamily(("sgd*", "nesterov*", "momentum*", "lars*"), "sgd", 20, 5e-4, has_momentum=True),
    OptimizerFamily(("lion*",), "lion", 0.2, 0.05, has_momentum=False),
    OptimizerFamily(("madgrad*w", "rmsprop*w"), "madgradw", 1, 0.05, has_momentum=True),
    OptimizerFamily(("rmsprop*", "muon*", "madgrad*"), "rmsprop", 1, 0.0, has_momentum=True),
    OptimizerFamily(("*w",), "adamw", 1, 0.05, has_momentum=False),
    OptimizerFamily(("*",), "adam", 1, 0.0, has_momentum=False),
)
"""The first match counts. Weight decay is high where the optimiser decouples it from the gradient, which timm marks with a
final `w` (Loshchilov and Hutter, 2017); as a part of the gradient, a decay this high would dominate the loss."""


def optimizer_family(opt: str) -> OptimizerFamily:
    """The family of an optimiser, by its name in timm."""
    return next(
        family
        for family in OPTIMIZER_FAMILIES
        if any(fnmatchcase(base_name(opt), pattern) for pattern in family.patterns)
    )


_SCRATCH = (Tune.SCRATCH,)
_WHOLE_NETWORK = (Tune.LAST, Tune.FULL, Tune.AUTO, Tune.SCRATCH)

_TEACHER = Requirement("--kd-model", lambda options: options.kd_model is not None)
_STEPS = Requirement("--sched step", lambda options: options.sched is Schedule.STEP)
_DECREASING = Requirement(
    "a --sched other than constant", lambda options: options.sched is not Schedule.CONSTANT
)
_WARMUP = Requirement(
    "another --sched: onecycle has a warm-up of its own",
    lambda options: options.sched is not Schedule.ONE_CYCLE,
)
_MOMENTUM = Requirement(
    "an optimiser with momentum, e.g. --opt sgd", lambda options: optimizer_family(options.opt).has_momentum
)
_MIXES = Requirement(
    "--mixup or --cutmix",
    lambda options: not options.mixup_off_epoch or bool(options.mixup or options.cutmix),
)

_LIGHT = PRESETS[Strength.LIGHT]


@frozen_dataclass
class TrainingOptions:
    """How a network is trained; `resolve` fills in defaults and checks what was set."""

    epochs: Annotated[
        int,
        Option(
            "Number of passes over the training images; auto makes 6 where the images are many.",
            STOPPING,
            "N",
            at_least=1,
            at_most=100_000,
            by_tune={Tune.SCRATCH: 30},
        ),
    ] = 10
    patience: Annotated[
        int,
        Option(
            "Stop after N epochs without improvement; 0: never.", STOPPING, "N", at_least=0, at_most=100_000
        ),
    ] = 0
    time_budget: Annotated[
        float,
        Option(
            "Time limit of training in minutes, not counting features and final evaluation; 0 for none.",
            STOPPING,
            "MINUTES",
            at_least=0,
            by_tune={Tune.AUTO: 15.0},
        ),
    ] = 0.0
    keep: Annotated[Keep, Option("Keep the epoch that is best on val, or the last.", STOPPING)] = Keep.BEST
    batch_size: Annotated[
        int,
        Option(
            "Images per step, over all processes.",
            OPTIMISATION,
            "N",
            at_least=1,
            at_most=65_536,
            by_tune={Tune.AUTO: 16},
        ),
    ] = 32
    opt: Annotated[
        str, Option("Optimiser, by its name in timm: sgd, lion, …; or rmspropkeras.", OPTIMISATION, "NAME")
    ] = "adamw"
    lr: Annotated[
        float | None,
        Option(
            "Peak learning rate; auto finds one with a learning rate range test.",
            OPTIMISATION,
            "X|auto",
            kind=Kind.NUMBER_OR_AUTO,
            above=0,
            at_most=1000,
            by_tune={Tune.HEAD: 2e-3, Tune.SCRATCH: 1e-3},
        ),
    ] = 3e-4
    momentum: Annotated[
        float, Option("Momentum, e.g. of SGD.", OPTIMISATION, at_least=0, at_most=0.9999, needs=_MOMENTUM)
    ] = 0.9
    layer_decay: Annotated[
        float,
        Option(
            "Factor by which the learning rate falls from stage to stage towards the input.",
            OPTIMISATION,
            above=0,
            at_most=1,
            tunes=_WHOLE_NETWORK,
            by_tune={Tune.HEAD: 1.0, Tune.SCRATCH: 1.0},
        ),
    ] = 0.75
    sched: Annotated[Schedule, Option("Learning rate schedule.", OPTIMISATION)] = Schedule.COSINE
    warmup_epochs: Annotated[
        float,
        Option("Warm-up epochs.", OPTIMISATION, "N", at_least=0, by_tune={Tune.SCRATCH: 2.0}, needs=_WARMUP),
    ] = 1.0
    min_lr: Annotated[float, Option("Final learning rate.", OPTIMISATION, at_least=0, needs=_DECREASING)] = (
        0.0
    )
    decay_epochs: Annotated[
        float, Option("Epochs between decays with --sched step.", OPTIMISATION, "N", above=0, needs=_STEPS)
    ] = 10.0
    decay_rate: Annotated[
        float,
        Option(
            "Decay factor of the learning rate with --sched step.",
            OPTIMISATION,
            above=0,
            at_most=1,
            needs=_STEPS,
        ),
    ] = 0.1
    init: Annotated[
        Initialization,
        Option("Random weights: the library's own, or Glorot-uniform.", OPTIMISATION, tunes=_SCRATCH),
    ] = Initialization.DEFAULT
    normalize: Annotated[
        Normalization | None,
        Option(
            "Normalisation of pixels: 0..1 divides by 255; also -1..1, imagenet, or 'mean 0.5; std 0.25'.",
            OPTIMISATION,
            "RANGE|imagenet|MEAN",
            kind=Kind.NORMALIZATION,
            tunes=_SCRATCH,
            unset="the network's own",
        ),
    ] = None
    initial_scale: Annotated[
        float,
        Option(
            "Progressive resizing: initial image size, as a share of the full size, reached after 4/5 of the epochs.",
            OPTIMISATION,
            at_least=0.1,
            at_most=1,
        ),
    ] = 1.0
    clip_grad: Annotated[
        float, Option("Gradient clipping: largest norm; 0 for none.", OPTIMISATION, at_least=0)
    ] = 0.0
    grad_accum_steps: Annotated[
        int, Option("Gradient accumulation steps per batch.", OPTIMISATION, "N", at_least=1, at_most=65_536)
    ] = 1
    model_ema_decay: Annotated[
        float,
        Option(
            "Decay of a moving average of the weights, which is evaluated and saved, e.g. 0.999; 0 for none.",
            OPTIMISATION,
            at_least=0,
            at_most=0.999999,
        ),
    ] = 0.0
    balanced_sampling: Annotated[bool, Option("Sample all classes equally often.", OPTIMISATION)] = False
    weight_decay: Annotated[
        float,
        Option(
            "Weight decay (L2) of weights; biases and norms are exempt.",
            REGULARISATION,
            at_least=0,
            by_tune={Tune.HEAD: 1e-4},
        ),
    ] = 0.05
    l1: Annotated[float, Option("Weight of an L1 penalty in the loss.", REGULARISATION, at_least=0)] = 0.0
    smoothing: Annotated[float, Option("Label smoothing.", REGULARISATION, at_least=0, at_most=0.99)] = 0.1
    drop: Annotated[
        float, Option("Dropout rate before the last layer.", REGULARISATION, "P", at_least=0, at_most=0.99)
    ] = 0.0
    drop_path: Annotated[
        float,
        Option("Stochastic depth rate.", REGULARISATION, "P", at_least=0, at_most=0.99, tunes=_WHOLE_NETWORK),
    ] = 0.0
    kd_model: Annotated[
        Path | None, Option("Teacher model for knowledge distillation.", DISTILLATION, "MODEL")
    ] = None
    kd_weight: Annotated[
        float,
        Option(
            "Weight of the distillation loss; the loss on the labels gets the rest.",
            DISTILLATION,
            at_least=0,
            at_most=1,
            needs=_TEACHER,
        ),
    ] = 0.5
    kd_temperature: Annotated[
        float, Option("Distillation temperature.", DISTILLATION, above=0, needs=_TEACHER)
    ] = 2.0
    augment: Annotated[
        Strength, Option("Augmentation preset; the options below override parts of it.", AUGMENTATION)
    ] = Strength.LIGHT
    scale: Annotated[
        tuple[float, float],
        Option(
            "Random resized crop: smallest and largest share of the image's area.",
            AUGMENTATION,
            "LOW,HIGH",
            kind=Kind.PAIR,
            above=0,
            at_most=1,
        ),
    ] = _LIGHT.scale
    ratio: Annotated[
        tuple[float, float],
        Option(
            "Random resized crop: smallest and largest aspect ratio (width to height).",
            AUGMENTATION,
            "LOW,HIGH",
            kind=Kind.PAIR,
            at_least=0.1,
            at_most=10,
        ),
    ] = _LIGHT.ratio
    hflip: Annotated[
        float,
        Option(
            "Horizontal flip probability; 0 for digits or letters.", AUGMENTATION, "P", at_least=0, at_most=1
        ),
    ] = _LIGHT.hflip
    vflip: Annotated[
        float, Option("Vertical flip probability.", AUGMENTATION, "P", at_least=0, at_most=1)
    ] = _LIGHT.vflip
    rotate: Annotated[
        float, Option("Largest random rotation in degrees.", AUGMENTATION, "DEGREES", at_least=0, at_most=180)
    ] = _LIGHT.rotate
    translate: Annotated[
        float, Option("Largest random shift, as a share of each side.", AUGMENTATION, at_least=0, at_most=1)
    ] = _LIGHT.translate
    color_jitter: Annotated[
        float,
        Option(
            "Largest random change of brightness, contrast and saturation, as a share.",
            AUGMENTATION,
            at_least=0,
            at_most=1,
        ),
    ] = _LIGHT.color_jitter
    aa: Annotated[
        AutoAugment,
        Option("Automatic augmentation: rand is RandAugment, trivial is TrivialAugment.", AUGMENTATION),
    ] = _LIGHT.aa
    reprob: Annotated[
        float, Option("Random erasing probability.", AUGMENTATION, "P", at_least=0, at_most=1)
    ] = _LIGHT.reprob
    mixup: Annotated[
        float, Option("Mixup alpha, e.g. 0.2; 0 for none.", AUGMENTATION, "ALPHA", at_least=0)
    ] = 0.0
    cutmix: Annotated[
        float, Option("CutMix alpha, e.g. 1; 0 for none.", AUGMENTATION, "ALPHA", at_least=0)
    ] = 0.0
    mixup_off_epoch: Annotated[
        int,
        Option(
            "Stop mixup and CutMix after N epochs; 0 keeps them to the end.",
            AUGMENTATION,
            "N",
            at_least=0,
            at_most=100_000,
            needs=_MIXES,
        ),
    ] = 0
    amp: Annotated[
        Amp, Option("Mixed precision of the forward pass; auto takes bf16 if it is faster.", RUNTIME)
    ] = Amp.AUTO
    layout: Annotated[Layout, Option("Memory layout of images; auto takes the faster one.", RUNTIME)] = (
        Layout.AUTO
    )
    compile: Annotated[bool, Option("Use torch.compile (needs a C++ compiler).", RUNTIME)] = False
    deterministic: Annotated[
        bool, Option("Use deterministic algorithms only, for reproducible results even on GPUs.", RUNTIME)
    ] = False
    cache_size: Annotated[
        int | None,
        Option(
            "Size of the cache of decoded images, a temporary file in CNNCLI_HOME.",
            RUNTIME,
            "SIZE",
            kind=Kind.BYTES,
            at_least=0,
            unset="a quarter of the free memory",
        ),
    ] = None

    @property
    def augmentation(self) -> Augmentation:
        """The random changes of training images."""
        return Augmentation(**{name: getattr(self, name) for name in AUGMENTATION_FIELDS})

    def mixes(self, epoch: int) -> bool:
        """Whether mixup or CutMix is applied in an epoch, counted from 0."""
        return bool(self.mixup or self.cutmix) and (not self.mixup_off_epoch or epoch < self.mixup_off_epoch)


AUGMENTATION_FIELDS = tuple(field.name for field in dataclasses.fields(Augmentation))
"""Options whose defaults come from the augmentation preset."""


@functools.cache
def declarations() -> Mapping[str, tuple[Any, Option]]:
    """Type and declaration of each option, by name."""
    hints = get_type_hints(TrainingOptions, include_extras=True)
    return {name: (hint.__origin__, hint.__metadata__[0]) for name, hint in hints.items()}
