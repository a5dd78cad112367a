"""What a user may choose where networks are looked into; free of NumPy, as command lines are."""

import enum


class Method(enum.StrEnum):
    """How the maps of a layer are weighed for a class; the names of pytorch-grad-cam."""

    GRADCAM = "gradcam"
    GRADCAM_PLUS_PLUS = "gradcam++"
    EIGENCAM = "eigencam"
    LAYERCAM = "layercam"


class Metric(enum.StrEnum):
    """How far is far."""

    EUCLIDEAN = "euclidean"
    """As Krizhevsky, Sutskever and Hinton (2012) compare last hidden layers."""

    COSINE = "cosine"
    """One minus the cosine of the angle: brightness and contrast, which lengthen vectors, matter less."""
