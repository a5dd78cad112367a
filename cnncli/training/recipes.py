"""Recipes: named sets of defaults of the training options, each declared once. Knows neither Typer nor timm."""

from collections.abc import Mapping
from typing import Any

from cnncli.dataclass import frozen_dataclass
from cnncli.networks.normalization import parse_normalization
from cnncli.records.augmentation import Strength
from cnncli.records.training import Amp, Initialization, Keep, RecipeName, Schedule, Tune
from cnncli.training.declaration import flag


@frozen_dataclass
class Recipe:
    """How other software trains a network.

    Attributes:
        name: as the user types it.
        description: whose training it is, for the help.
        tune: what it trains.
        defaults: training options that differ from cnncli's own defaults, by name; options that are set override them.
    """

    name: RecipeName
    description: str
    tune: Tune
    defaults: Mapping[str, Any]

    def __str__(self) -> str:
        """The options that the recipe stands for, for the help."""
        options = {"tune": self.tune, **self.defaults}
        return " ".join(f"{flag(name)} {_value_text(value)}" for name, value in options.items())


_KERAS = Recipe(
    RecipeName.KERAS,
    "the training of Keras's first examples and of many courses",
    Tune.SCRATCH,
    {
        "epochs": 20,
        "keep": Keep.LAST,
        "batch_size": 128,
        "opt": "rmspropkeras",
        "lr": 1e-3,
        "momentum": 0.0,
        "sched": Schedule.CONSTANT,
        "warmup_epochs": 0.0,
        "init": Initialization.GLOROT,
        "weight_decay": 0.0,
        "smoothing": 0.0,
        "augment": Strength.NONE,
        "normalize": parse_normalization("0..1"),
        "amp": Amp.OFF,
    },
)
"""Sources: Keras's example `mnist_cnn.py`, and the defaults of `keras.optimizers.RMSprop`, `Dense` and `Conv2D`."""

RECIPES: Mapping[RecipeName, Recipe] = {recipe.name: recipe for recipe in (_KERAS,)}


def recipes_text() -> str:
    """The recipes with the options that they stand for, for the help."""
    return "; ".join(f"{name}, {recipe.description}: {recipe}" for name, recipe in RECIPES.items())


def _value_text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
