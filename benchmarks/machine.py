"""The machine and the package versions that figures were measured with."""

import os
import platform
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "ray",
    "pillow",
    "numpy",
)


def describe() -> str:
    """CPU, GPU, Python and package versions in one sentence."""
    versions = ", ".join(f"{name} {version}" for name, version in _installed_versions().items())
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {_processor()}, {_gpu()}; Python {platform.python_version()}, {versions}."


def _installed_versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = fields.get("model name", platform.machine())
    return f"{name} (family {fields.get('cpu family')}, model {fields.get('model')})"
