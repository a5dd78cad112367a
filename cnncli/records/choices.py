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


class PoolKind(enum.StrEnum):
    """Kinds of pooling."""

    MAX = "max"
    AVERAGE = "avg"
    MIN = "min"
