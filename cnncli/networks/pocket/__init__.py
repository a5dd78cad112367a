"""The built-in model: a finished model folder that comes with cnncli, and what it was made from.

Beside the model folder's own files lie the blueprint, the recipe that trained it, how the training went and how it was
judged; README.md here has the commands. Knows no torch.
"""

import os
from pathlib import Path

NAME = "pocket"
"""What it is called."""

FOLDER = Path(__file__).parent
"""Where its model folder is."""

LICENSE = "apache-2.0"
"""Of the weights: that of cnncli."""

BLUEPRINT = FOLDER / "pocket.cnn"
"""What it is built from."""

SIZE = (80, 80)
"""(height, width) of the images that it looks at; it was trained with somewhat smaller ones."""


def is_at(folder: Path) -> bool:
    """Whether a model folder is pocket's, by whatever path."""
    return folder.is_dir() and os.path.samefile(folder, FOLDER)  # noqa: PTH121 - Path's resolves nothing more


def is_meant(name: str) -> bool:
    """Whether a typed name leads to pocket: its own, unless a folder here is called so, or a path to it."""
    return is_at(Path(name)) if os.path.isdir(name) else name == NAME  # noqa: PTH112 - says no to any text
