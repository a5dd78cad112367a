"""Defaults that every `--help` shows."""

DEFAULT = "tf_efficientnet_lite0"
"""`networks.packaged` has its weights."""

MAX_PIXELS = 178_956_970
"""Pillow's own hard limit against decompression bombs: twice the pixels that fill 256 MiB at 3 bytes."""

MAX_INPUT = 4096 * 4096
"""Pixels of the largest input of a network: 201 MB in float32 RGB."""

PART_SIZE = 10_000
"""Inputs of a part: minutes of work, which is what a lost machine loses."""

TOPK = 5
"""Classes of a prediction."""

MAX_SEED = 2**32 - 1
"""The largest seed that NumPy and scikit-learn accept."""

PATH_COLUMN = "path"
"""The column of a list with the paths of its images, as `predict` writes it."""


def or_default(model: str | None) -> str:
    """The name of a model; the default model's where none is given."""
    return DEFAULT if model is None else model
