"""Packages that prepare, train and inspect networks, and what to say where only those for predicting are installed."""

import contextlib
from collections.abc import Iterator

from cnncli.errors import MissingPackageError

OPTIONAL = frozenset(
    {
        "torch",
        "torchvision",
        "timm",
        "safetensors",
        "huggingface_hub",
        "onnx",
        "onnxscript",
        "sklearn",
        "scipy",
        "matplotlib",
        "jinja2",
        "pytorch_grad_cam",
    }
)
"""Packages, by the name they are imported under, without which a prepared network still predicts."""


@contextlib.contextmanager
def explain_missing_packages(purpose: str) -> Iterator[None]:
    """Turn a failed import within the block into a message.

    Args:
        purpose: what the block does, e.g. "exporting resnet50".

    Raises:
        MissingPackageError: one of `OPTIONAL` is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in OPTIONAL:
            raise
        raise MissingPackageError(
            f"{purpose} needs the package {package}, which is not installed",
            "install cnncli with all its dependencies, or give the path of a prepared model folder",
        ) from error
