"""The network in the box: a finished model folder that comes with cnncli, and what it was made from.

Beside the model folder's own files lie the blueprint, the recipe that trained it, how the training went and how it was
judged; README.md here has the commands. Knows no torch.
"""

import os
from pathlib import Path

NAME = "pocket"
"""What it is called, and the network that is meant where none is named."""

FOLDER = Path(__file__).parent
"""Where its model folder is."""

LICENSE = "apache-2.0"
"""Of the weights: that of cnncli."""

BLUEPRINT = FOLDER / "pocket.cnn"
"""What it is built from."""

SIZE = (80, 80)
"""(height, width) of the images that it looks at; it was trained with somewhat smaller ones."""

NOTICE = (
    "pocket, the network in the box, knows 200 everyday things and has to name one of them",
    "-m resnet50 (a download) knows 1,000; cnncli finetune FOLDER teaches it your own",
)
"""What whoever sees its answers should know of it, in lines."""

NOTICE_TO_TEACHERS = (
    f"pocket sees {SIZE[0]} x {SIZE[1]} pixels; a larger network, such as -m resnet50 (a download), mostly learns "
    "photographs better"
)
"""And whoever teaches it."""


def is_at(folder: Path) -> bool:
    """Whether a model folder is pocket's, by whatever path."""
    return folder.is_dir() and os.path.samefile(folder, FOLDER)  # noqa: PTH121 - Path's resolves nothing more


def is_meant(name: str) -> bool:
    """Whether a typed name leads to pocket: its own, unless a folder here is called so, or a path to it."""
    return is_at(Path(name)) if os.path.isdir(name) else name == NAME  # noqa: PTH112 - says no to any text
