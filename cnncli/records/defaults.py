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

PROMPT = "a photo of a {}"
"""What a text tower reads for a class, with {} for its name."""

KNOWN_SHARE = 0.95
"""Share of known images that should not be taken for unfamiliar ones."""

MAX_SEED = 2**32 - 1
"""The largest seed that NumPy and scikit-learn accept."""

PATH_COLUMN = "path"
"""The column of a list with the paths of its images, as `predict` writes it."""

LEAST_SCORE = 0.65
"""Least score of near duplicates. Altered photographs have more than 0.75 in 99 of 100 cases, different ones of Tiny ImageNet less
than 0.5; of the most similar pairs of handwritten digits, 2 of 100 have more."""

UNVERIFIED_DISTANCE = 0.1
"""Largest cosine distance of near duplicates whose images cannot be opened. Of a hundred photos that were scaled and recompressed,
cropped by 5 % or mirrored, copies were within 0.08 of the original with pocket, and different photos beyond 0.24. With other
networks different photos may be as close as 0.15, and drawings of the same thing closer than 0.1."""


def or_default(model: str | None) -> str:
    """The name of a model; the default model's where none is given."""
    return DEFAULT if model is None else model
