"""A network in timm's layout for the Hugging Face hub: `config.json` and `model.safetensors`, which timm writes and reads back."""

import math
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import PretrainedCfg, save_for_hf
from torch import nn

from cnncli.errors import ModelFolderError
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.zoo.timm import build, preprocessing
from cnncli.networks.zoo.weights import load_saved
from cnncli.records.networks import ModelCard, Preprocessing, Resize

_CROP_MODES = {Resize.SQUASH: "squash", Resize.FIT: "border"}
"""timm's names of these ways to resize; the others are its `center`."""


_LIBRARIES = {"torchvision": "torchvision", "blueprint": "a blueprint", "transformers": "transformers"}
"""Where networks come from that are not timm's."""


def obstacle(folder: ModelFolder) -> str | None:
    """Why timm's layout cannot hold a network, to complete "timm cannot read it: …"; None if it can."""
    card = folder.card
    architecture, steps = card.architecture, card.preprocessing
    reasons = {
        "it is an exported network, whose weights are in the graph": folder.is_exported,
        f"its architecture is from {_LIBRARIES.get(architecture.library)}": architecture.library
        in _LIBRARIES,
        "it has several tasks, or several labels per image": bool(card.tasks),
        "it is cut at an inner layer": architecture.cut is not None,
        "its classifier does not take the place of the architecture's last layer": architecture.head
        is not None,
        "timm cannot describe the preprocessing of its images": _preprocessing(_data_config(steps)) != steps,
    }
    return next((reason for reason, is_so in reasons.items() if is_so), None)


def write(folder: ModelFolder, draft: Path) -> None:
    """Write a network without `obstacle`, and check that timm reads the same network, classes and preprocessing back.

    Raises:
        ModelFolderError: it does not.
        OSError: the files cannot be written.
        WeightsError: the weights are damaged.
    """
    card = folder.card
    network = build(card.architecture, drop_path=0)
    load_saved(network, folder.weights)
    save_for_hf(
        network.eval(),
        str(draft),
        model_config={"label_names": list(card.class_names)},
        model_args=_arguments(card),
        safe_serialization=True,
        data_config=_data_config(card.preprocessing),
    )
    if not _is_same(network, card, draft):
        raise ModelFolderError(f"timm {timm.__version__} reads another network back than {folder.path} holds")


def _arguments(card: ModelCard) -> dict[str, Any]:
    """The arguments, beside the number of classes, that timm builds the architecture with."""
    architecture = card.architecture
    arguments: dict[str, Any] = {}
    if architecture.channels != 3:  # noqa: PLR2004 - timm's default
        arguments["in_chans"] = architecture.channels
    if architecture.image_size:
        arguments["img_size"] = list(architecture.image_size)
    return arguments


def _data_config(steps: Preprocessing) -> dict[str, Any]:
    """Timm's entries for the preprocessing of images."""
    return {
        "input_size": (steps.channels, *steps.size),
        "interpolation": str(steps.interpolation),
        "mean": steps.mean,
        "std": steps.std,
        "crop_pct": _crop_share(steps.size[0], steps.resize[0]),
        "crop_mode": _CROP_MODES.get(steps.resize_mode, "center"),
    }


def _crop_share(size: int, resized: int) -> float:
    """The share of the resized side that the crop keeps, as timm calculates with it: it rounds down."""
    share = size / resized
    return share if math.floor(size / share) == resized else size / (resized + 0.5)


def _preprocessing(config: dict[str, Any]) -> Preprocessing:
    fields = PretrainedCfg.__dataclass_fields__
    return preprocessing(
        PretrainedCfg(**{name: value for name, value in config.items() if name in fields}), None
    )


def _is_same(network: nn.Module, card: ModelCard, draft: Path) -> bool:
    """Whether timm reads from a folder what was written."""
    other: Any = timm.create_model(f"local-dir:{draft}", pretrained=True)
    tensors = other.state_dict()
    return (
        _preprocessing(other.pretrained_cfg) == card.preprocessing
        and tuple(other.pretrained_cfg["label_names"] or ()) == card.class_names
        and network.state_dict().keys() == tensors.keys()
        and all(torch.equal(value, tensors[name]) for name, value in network.state_dict().items())
    )
