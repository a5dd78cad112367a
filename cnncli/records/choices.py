"""Choices of users in commands and blueprints; without NumPy, so that the command line starts fast."""

import enum


class CamMethod(enum.StrEnum):
    """How the feature maps of a layer are weighted for a class; names as in pytorch-grad-cam."""

    GRADCAM = "gradcam"
    GRADCAM_PLUS_PLUS = "gradcam++"
    EIGENCAM = "eigencam"
    LAYERCAM = "layercam"


class DistanceMetric(enum.StrEnum):
    """The distance between two embeddings."""

    EUCLIDEAN = "euclidean"
    """As Krizhevsky, Sutskever and Hinton (2012) compare activations of the last hidden layer."""

    COSINE = "cosine"
    """1 - cosine similarity; insensitive to the length of embeddings, and so less sensitive to brightness and contrast."""


class Palette(enum.StrEnum):
    """The colours of values in a figure."""

    COLOUR = "colour"
    """viridis, and a diverging palette where there are negative values."""

    GREY = "grey"
    """From black to white, as textbooks print feature maps."""


class PaddingMode(enum.StrEnum):
    """What padding is filled with; for a row a b c d, on the left."""

    ZEROS = "zeros"
    REFLECT = "reflect"
    """c b | a b c d, as torch's `reflect`."""

    SYMMETRIC = "symmetric"
    """b a | a b c d, as SciPy's boundary `symm`."""

    REPLICATE = "replicate"
    """a a | a b c d, as torch's `replicate`."""


class PoolKind(enum.StrEnum):
    """Kinds of pooling."""

    MAX = "max"
    AVERAGE = "avg"
    MIN = "min"
    MEDIAN = "median"
    """In `convolve` only: torch has no such layer."""


_EDGE = "-1 -1 1 1"
KERNELS = {
    "high-pass": "0 -1 0; -1 4 -1; 0 -1 0",
    "sobel-x": "-1 0 1; -2 0 2; -1 0 1",
    "sobel-y": "-1 -2 -1; 0 0 0; 1 2 1",
    "laplacian": "0 1 0; 1 -4 1; 0 1 0",
    "sharpen": "0 -1 0; -1 5 -1; 0 -1 0",
    "box-blur": "1/9 1/9 1/9; 1/9 1/9 1/9; 1/9 1/9 1/9",
    "gaussian": "1/16 1/8 1/16; 1/8 1/4 1/8; 1/16 1/8 1/16",
    "emboss": "-2 -1 0; -1 1 1; 0 1 2",
    "edge-right": "; ".join([_EDGE] * 4),
    "edge-left": "; ".join(["1 1 -1 -1"] * 4),
    "edge-down": "-1 -1 -1 -1; -1 -1 -1 -1; 1 1 1 1; 1 1 1 1",
    "edge-up": "1 1 1 1; 1 1 1 1; -1 -1 -1 -1; -1 -1 -1 -1",
}
"""Kernels by their usual names, as applied without flipping: sobel-x is positive where the image gets brighter to the right."""


class TrackerName(enum.StrEnum):
    """What keeps runs so that they can be compared, by the package that it needs."""

    MLFLOW = "mlflow"
    WANDB = "wandb"
    """Weights & Biases."""

    NONE = "none"
    """None of them, where a run or a file of options names one."""


class SplitChoice(enum.StrEnum):
    """Images to evaluate on."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"
    ALL = "all"
