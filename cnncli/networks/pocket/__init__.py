"""The built-in model: a model folder that comes with cnncli, its blueprint and its training recipe.

Needs no torch. How the model was made and measured is in the repository's benchmarks/pocket.
"""

import os
from pathlib import Path

NAME = "pocket"
"""Its name on the command line."""

FOLDER = Path(__file__).parent
"""Its model folder."""

LICENSE = "apache-2.0"
"""License of the weights: that of cnncli."""

BLUEPRINT = FOLDER / "pocket.cnn"
"""The blueprint of its architecture."""

SIZE = (80, 80)
"""Input (height, width) in pixels; training used up to 64 x 64."""


def is_pocket_folder(folder: Path) -> bool:
    """Whether a path, however it is spelled, is pocket's model folder."""
    return folder.is_dir() and os.path.samefile(folder, FOLDER)  # noqa: PTH121 - the same as Path's


def is_pocket(name: str) -> bool:
    """Whether a model name means pocket: its name, or a path to its folder."""
    return name == NAME or (os.path.isdir(name) and is_pocket_folder(Path(name)))  # noqa: PTH112 - False for any other text
