"""The network in the box: a finished model folder that comes with cnncli, and what it was made from.

Beside the model folder's own files lie the blueprint, the recipe that trained it, how the training went and how it was
judged; README.md here has the commands. Knows no torch.
"""

from pathlib import Path

NAME = "pocket"
"""What it is called, and the network that is meant where none is named."""

FOLDER = Path(__file__).parent
"""Where its model folder is."""

BLUEPRINT = FOLDER / "pocket.cnn"
"""What it is built from."""

IN_A_WORD = (
    "pocket, the network in the box, knows 200 everyday things and has to choose one of them; "
    "-m resnet50 knows 1,000 (a download), and `cnncli finetune FOLDER` teaches it your own"
)
"""What whoever sees its answers should know of it."""
