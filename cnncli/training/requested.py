"""The settings of a run from what a user or a program asks for."""

from collections.abc import Mapping
from typing import Any

from cnncli.errors import UsageError
from cnncli.networks.reference import Reference
from cnncli.records.progress import Progress
from cnncli.records.training import RecipeName, Tune
from cnncli.training.recipes import RECIPES
from cnncli.training.resolve import require_no_training_options, resolve
from cnncli.training.settings import FeatureSettings, NetworkSettings, choose_tune


def requested_settings(
    reference: Reference,
    tune: str | None,
    recipe: RecipeName | None,
    explicit: Mapping[str, Any],
    progress: Progress,
    **shared: Any,  # noqa: ANN401 - fields of FinetuneSettings
) -> FeatureSettings | NetworkSettings:
    """The settings of a run.

    Args:
        reference: the network to start from.
        tune: `auto`, `features`, `head`, `last:2`, `full` or `scratch`; None for what the recipe trains, else `auto`.
        recipe: a set of defaults; None for cnncli's own.
        explicit: training options that were set, by name.
        progress: reports if `auto` becomes `scratch`.
        shared: the other fields of `FinetuneSettings`.

    Raises:
        CnncliError: the options contradict each other, or the network cannot be trained like this.
    """
    defaults = RECIPES[recipe] if recipe else None
    requested, stages = _parse_tune(tune or (defaults.tune if defaults else Tune.AUTO))
    final = choose_tune(requested, reference, progress)
    shared |= {"reference": reference, "batch_size": explicit.get("batch_size")}
    if final is Tune.FEATURES and not defaults:
        require_no_training_options(explicit)
        return FeatureSettings(**shared)
    return NetworkSettings(
        **shared,
        tune=final,
        stages=stages,
        options=resolve(final, explicit, defaults),
        recipe=recipe,
        may_shorten="epochs" not in explicit,
    )


def _parse_tune(text: str) -> tuple[Tune, int]:
    """`last:2` as (last, 2).

    Raises:
        UsageError: there is no such value.
    """
    name, colon, number = text.partition(":")
    if name in set(Tune) and (name == Tune.LAST) == bool(colon) and (not colon or number.isdecimal()):
        stages = int(number or 0)
        if stages or not colon:
            return Tune(name), stages
    raise UsageError(
        f"unknown --tune value {text!r}",
        "use auto, features, head, last:N (e.g. last:2), full or scratch",
    )
