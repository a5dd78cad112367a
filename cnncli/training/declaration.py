"""The declaration of a training option: its help, range, conditions and defaults per `--tune`."""

import dataclasses
import enum
import math
from collections.abc import Callable, Mapping
from typing import Any

from cnncli.dataclass import frozen_dataclass
from cnncli.records.training import Tune


class Kind(enum.Enum):
    """How an option's text is parsed."""

    PLAIN = enum.auto()
    """According to the option's type."""

    NUMBER_OR_AUTO = enum.auto()
    """`0.001`, or `auto` for None."""

    PAIR = enum.auto()
    """`0.5,1`."""

    NORMALIZATION = enum.auto()
    """`0..1`, `imagenet`, `mean 0.5; std 0.25`."""

    BYTES = enum.auto()
    """`500M`, `8G`."""


@frozen_dataclass
class OptimizerFamily:
    """Optimisers that are used with similar settings.

    Attributes:
        patterns: names, as timm spells them; `*` stands for anything.
        example: one of these names.
        lr_factor: usual learning rate, as a multiple of Adam's.
        weight_decay: usual weight decay.
        has_momentum: whether they have a momentum parameter.
    """

    patterns: tuple[str, ...]
    example: str
    lr_factor: float
    weight_decay: float
    has_momentum: bool


@frozen_dataclass
class Requirement:
    """What else must be set for an option to have an effect.

    Attributes:
        text: completes "--kd-weight needs …".
        is_met: whether a `TrainingOptions` meets it.
    """

    text: str
    is_met: Callable[[Any], bool]


_ALL_TUNES = (Tune.HEAD, Tune.LAST, Tune.FULL, Tune.AUTO, Tune.SCRATCH)


@frozen_dataclass
class Option:
    """The declaration of an option.

    Attributes:
        help: what it does; understood without the option's name.
        group: its heading in the help.
        metavar: placeholder for its value in the help.
        kind: how its text is parsed.
        at_least, at_most: range of its number, or of both numbers of a pair.
        above: exclusive lower bound.
        tunes: `--tune` values that it applies to.
        by_tune: defaults that differ from the field's, by `--tune`.
        unset: what None means, as text for the help; empty if the help needs no such text.
        needs: what else must be set for it to have an effect.
    """

    help: str
    group: str
    metavar: str = "X"
    kind: Kind = Kind.PLAIN
    at_least: float = -math.inf
    at_most: float = math.inf
    above: float = -math.inf
    tunes: tuple[Tune, ...] = _ALL_TUNES
    by_tune: Mapping[Tune, Any] = dataclasses.field(default_factory=dict)
    unset: str = ""
    needs: Requirement | None = None

    def contains(self, number: float) -> bool:
        """Whether a number is finite and within the range."""
        return math.isfinite(number) and self.above < number and self.at_least <= number <= self.at_most

    def range_text(self) -> str:
        """The range, as in "above 0 and at most 1"."""
        if math.isfinite(self.at_least) and math.isfinite(self.at_most):
            return f"between {self.at_least:g} and {self.at_most:,.10g}"
        text = f"above {self.above:g}" if math.isfinite(self.above) else f"at least {self.at_least:g}"
        if math.isfinite(self.at_most):
            text += f" and at most {self.at_most:,.10g}"
        return f"{text}, or auto" if self.kind is Kind.NUMBER_OR_AUTO else text


def flag(name: str) -> str:
    """An option as it is typed: `--min-lr` for `min_lr`."""
    return "--" + name.replace("_", "-")
