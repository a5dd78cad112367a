"""The hyperparameters of classifiers on features: what cross-validation compares, and what is taken where it cannot."""

from collections.abc import Mapping, Sequence

import numpy as np

from cnncli.dataclass import frozen_dataclass
from cnncli.records.training import ClassifierName
from cnncli.training.features.scaling import COMMON, PARETO, STANDARDISED

_FEW = 500
"""Images up to which scalings are compared; on more, standardised features are as good as any."""

_PARAMETERS: Mapping[ClassifierName, Sequence[float]] = {
    ClassifierName.LOGISTIC: (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
    ClassifierName.SVM: (1e-4, 1e-3, 1e-2, 1e-1),
    ClassifierName.KNN: (1, 3, 5, 9, 15, 25),
    ClassifierName.CENTROID: (0.0,),
}
"""C, the inverse strength of the L2 penalty, from strong to weak; k, the number of neighbours; centroids have none."""


@frozen_dataclass
class Hyperparameters:
    """What cross-validation chooses.

    Attributes:
        exponent: how features are scaled.
        parameter: C or k.
    """

    exponent: float
    parameter: float


_EXPONENTS = (PARETO, STANDARDISED, COMMON)

_DEFAULT_PARAMETERS = {
    ClassifierName.LOGISTIC: 50.0,
    ClassifierName.SVM: 50.0,
    ClassifierName.KNN: 1,
    ClassifierName.CENTROID: 0.0,
}
"""k, and C times the number of features, with which logits grow. Used where images are too few for cross-validation, and
preferred on few images; with a C as small as this, probabilities are moderate."""

_DECADES, _NATS = 1.0, 0.5
"""Priors on hyperparameters, for few images: the standard deviation of C in powers of ten, and what a scaling other than
Pareto's costs. Without them and that of the temperature, cross-validation on a dozen images chooses at random: with 3 images of
each of 2 classes, the log loss on SqueezeNet's features is 0.69 instead of 0.57."""


def default(name: ClassifierName, width: int) -> Hyperparameters:
    """The hyperparameters for images that are too few for cross-validation, with embeddings of `width` features."""
    parameter = _DEFAULT_PARAMETERS[name]
    if name in {ClassifierName.LOGISTIC, ClassifierName.SVM}:
        parameter = float(f"{parameter / width:.1g}")
    return Hyperparameters(PARETO, parameter)


def candidates(name: ClassifierName, images: int) -> list[Hyperparameters]:
    """The hyperparameters that cross-validation compares."""
    return [
        Hyperparameters(exponent, parameter)
        for exponent in (_EXPONENTS if images <= _FEW else (STANDARDISED,))
        for parameter in _PARAMETERS[name]
        if name is not ClassifierName.KNN or parameter <= images
    ]


def log_prior(name: ClassifierName, candidate: Hyperparameters, width: int) -> float:
    """The logarithm of how plausible hyperparameters are before any image is seen, up to a constant."""
    usual = default(name, width)
    decades = np.log10(candidate.parameter / usual.parameter) if usual.parameter else 0.0
    return -float((decades / _DECADES) ** 2 / 2) - _NATS * (candidate.exponent != usual.exponent)


def parameter_text(name: ClassifierName, parameter: float) -> str:
    """The parameter as text, e.g. `C = 0.01`; empty where there is none."""
    match name:
        case ClassifierName.KNN:
            return f"k = {parameter:g}"
        case ClassifierName.CENTROID:
            return ""
        case _:
            return f"C = {parameter:g}"
