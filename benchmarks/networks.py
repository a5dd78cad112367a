"""The networks that benchmarks run: the same random weights in the format that each program reads."""

import dataclasses
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.photographs import CACHE, jpegs

CALIBRATION_IMAGES = 64
"""Photographs from which the statistics of batch normalisation are computed."""


@dataclass(frozen=True)
class Network:
    """One network with the same weights in every format.

    Attributes:
        name: timm's or torchvision's name.
        weights: safetensors file with the library's own tensor names.
        folder: cnncli's model folder.
        pipeline: folder for `transformers.pipeline`; exists for timm's networks only.
    """

    name: str
    weights: Path
    folder: Path
    pipeline: Path


def load_network(name: str, photographs: Path) -> Network:
    """Build a network of timm or (`torchvision/…`) torchvision with random weights; kept for later runs.

    Speed does not depend on the values of the weights. The statistics of batch normalisation are computed from the
    photographs, so that predictions differ from image to image.
    """
    plain = name.removeprefix("torchvision/")
    weights = CACHE / f"{name.replace('/', '-')}.safetensors"
    CACHE.mkdir(parents=True, exist_ok=True)
    if not weights.is_file():
        _write_random_weights(name, photographs, weights)
    os.environ["CNNCLI_HOME"] = str(CACHE / "home")
    from cnncli.networks.reference import Reference
    from cnncli.prepare import prepare
    from cnncli.records.progress import NullProgress

    folder = prepare(Reference(name, weights), NullProgress()).path
    pipeline = CACHE / f"pipeline-{plain}"
    if name == plain and not pipeline.is_dir():
        _write_pipeline(name, weights, pipeline)
    return Network(plain, weights, folder, pipeline)


def _write_random_weights(name: str, photographs: Path, file: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from cnncli.images.loader import ImageReader
    from cnncli.images.local_file import LocalFile
    from cnncli.networks import zoo
    from cnncli.records.defaults import MAX_PIXELS
    from cnncli.records.predictions import Unreadable

    offer = zoo.offer(name)
    network = zoo.build(offer.architecture)
    read = ImageReader(offer.preprocessing, MAX_PIXELS)
    arrays = [read(LocalFile(str(path))) for path in jpegs(photographs)[:CALIBRATION_IMAGES]]
    images = torch.stack([torch.from_numpy(array) for array in arrays if not isinstance(array, Unreadable)])
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # a plain mean over all images
            module.reset_running_stats()
            module.train()
    with torch.no_grad():
        network(images)
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, file)


def _write_pipeline(name: str, weights: Path, folder: Path) -> None:
    """Write the folder that `transformers.pipeline` loads through its wrapper for timm's networks."""
    import timm
    from safetensors.torch import load_file, save_file
    from timm.models import PretrainedCfg

    config = dataclasses.asdict(timm.get_pretrained_cfg(name) or PretrainedCfg())
    keys = ("input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std", "first_conv", "classifier")
    description = {
        "architectures": ["TimmWrapperForImageClassification"],
        "model_type": "timm_wrapper",
        "architecture": name,
        "num_classes": 1000,
        "label_names": [str(index) for index in range(1000)],
        "pretrained_cfg": {key: config[key] for key in keys},
    }
    draft = Path(tempfile.mkdtemp(dir=CACHE))
    (draft / "config.json").write_text(json.dumps(description))
    tensors = {f"timm_model.{key}": value for key, value in load_file(weights).items()}
    save_file(tensors, draft / "model.safetensors", metadata={"format": "pt"})
    draft.rename(folder)
