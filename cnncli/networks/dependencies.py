"""Packages that prepare, train and inspect networks, and what to say where only those for predicting are installed."""

import contextlib
import sys
from collections.abc import Iterator

from cnncli import __version__
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
    }
)
"""Packages, by the name they are imported under, without which a prepared network still predicts."""

_RECORDED = (
    *("numpy", "pillow", "onnxruntime", "onnxruntime-gpu", "openvino"),
    *("scikit-learn", "scipy", "torch", "timm"),
)


def package_versions() -> dict[str, str]:
    """Versions of cnncli, Python and the installed packages that results may depend on."""
    from importlib import metadata  # takes as long as importing Typer

    versions = {"cnncli": __version__, "python": sys.version.split()[0]}
    for package in _RECORDED:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


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
