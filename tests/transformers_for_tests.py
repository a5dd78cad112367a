"""Small networks of transformers with random weights, and their processors, as `save_pretrained` writes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForImageClassification
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

NAMES = {0: "plum", 1: "fig, common fig", 2: "pear", 3: "quince", 4: "medlar"}

_STAGES: dict[str, Any] = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]}
_HEADS: dict[str, Any] = {"num_attention_heads": [1, 2, 2, 2]}
_LAYERS: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
_PATCHES: dict[str, Any] = {"image_size": 32, "patch_size": 8}
_VIT = _LAYERS | _PATCHES
_DINO = {name: value for name, value in _VIT.items() if name != "intermediate_size"} | {"mlp_ratio": 2}
_WINDOWS: dict[str, Any] = {
    "image_size": 32,
    "patch_size": 2,
    "embed_dim": 8,
    "depths": [1, 1],
    "num_heads": [2, 2],
    "window_size": 4,
}
_TOWERS: dict[str, Any] = {"vision_config": _VIT, "text_config": _LAYERS | {"vocab_size": 20}}
_LEVIT: dict[str, Any] = {
    "image_size": 64,
    "hidden_sizes": [16, 16, 16],
    "num_attention_heads": [2, 2, 2],
    "depths": [1, 1, 1],
    "key_dim": [8, 8, 8],
}

_SQUARE = {"size": {"height": 32, "width": 32}}
_CROPPED: dict[str, Any] = {"size": {"shortest_edge": 37}, "crop_size": {"height": 32, "width": 32}}
_SQUEEZED: dict[str, Any] = {
    "size": {"height": 37, "width": 37},
    "crop_size": {"height": 32, "width": 32},
    "do_center_crop": True,
}


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of network.

    Attributes:
        processor: name of its image processor's class, without the ending.
        steps: settings of the processor.
        config: settings that make the network small.
        kind: its name in transformers; None for the family's.
        network: name of its class; None for the usual one.
    """

    processor: str
    steps: Mapping[str, Any]
    config: Mapping[str, Any] = field(default_factory=dict)
    kind: str | None = None
    network: str | None = None


FAMILIES = {
    "beit": Family("Beit", _SQUEEZED, _VIT),
    "bit": Family(
        "Bit",
        _CROPPED | {"do_center_crop": True},
        {"embedding_size": 32, "hidden_sizes": [32, 64], "depths": [1, 1], "num_groups": 8},
    ),
    "clip": Family("CLIP", _CROPPED, _TOWERS),
    "convnext": Family("ConvNext", {"size": {"shortest_edge": 64}}, _STAGES),
    "convnextv2": Family("ConvNext", {"size": {"shortest_edge": 384}}, _STAGES),
    "cvt": Family(
        "ConvNext",
        {"size": {"shortest_edge": 64}, "crop_pct": 0.9},
        {"embed_dim": [8, 16, 16], "num_heads": [1, 2, 2], "depth": [1, 2, 3]},
    ),
    "data2vec-vision": Family("Beit", _SQUARE | {"do_center_crop": False}, _VIT),
    "deit": Family("DeiT", _SQUEEZED, _VIT),
    "deit with teacher": Family("DeiT", _SQUEEZED, _VIT, "deit", "DeiTForImageClassificationWithTeacher"),
    "dinov2": Family("Bit", _CROPPED, _DINO),
    "dinov2_with_registers": Family("Bit", _CROPPED, _DINO),
    "donut-swin": Family("ViT", _SQUARE, _WINDOWS),
    "efficientnet": Family(
        "EfficientNet",
        {"size": {"height": 64, "width": 64}, "resample": 0},
        {"width_coefficient": 0.25, "depth_coefficient": 0.1, "hidden_dim": 320},
    ),
    "focalnet": Family(
        "Bit",
        _CROPPED,
        {
            "image_size": 32,
            "embed_dim": 8,
            "depths": [1, 1],
            "focal_levels": [1, 1],
            "focal_windows": [3, 3],
        },
    ),
    "hgnet_v2": Family(
        "ViT",
        _SQUARE,
        {
            "embedding_size": 8,
            "hidden_sizes": [16, 16, 16, 16],
            "stem_channels": [3, 8, 8],
            "stage_in_channels": [8, 16, 16, 16],
            "stage_mid_channels": [8, 8, 8, 8],
            "stage_out_channels": [16, 16, 16, 16],
            "stage_num_blocks": [1, 1, 1, 1],
            "stage_numb_of_layers": [1, 1, 1, 1],
        },
    ),
    "hiera": Family(
        "Bit",
        _CROPPED,
        {
            "image_size": [32, 32],
            "embed_dim": 8,
            "num_heads": [1, 2],
            "depths": [1, 1],
            "num_query_pool": 1,
            "masked_unit_size": [4, 4],
        },
    ),
    "ijepa": Family("ViT", _SQUARE, _VIT),
    "levit": Family(
        "Levit", {"size": {"shortest_edge": 65}, "crop_size": {"height": 64, "width": 64}}, _LEVIT
    ),
    "levit with teacher": Family(
        "Levit",
        {"size": {"height": 70, "width": 71}, "crop_size": {"height": 64, "width": 64}},
        _LEVIT,
        "levit",
        "LevitForImageClassificationWithTeacher",
    ),
    "metaclip_2": Family("CLIP", _CROPPED, _TOWERS),
    "mobilenet_v1": Family("MobileNetV1", _CROPPED, {"depth_multiplier": 0.25}),
    "mobilenet_v2": Family("MobileNetV2", _CROPPED, {"depth_multiplier": 0.25}),
    "mobilevit": Family(
        "MobileViT",
        _CROPPED,
        {
            "image_size": 32,
            "hidden_sizes": [16, 16, 16],
            "neck_hidden_sizes": [8, 8, 8, 8, 8, 8, 16],
            "num_attention_heads": 2,
        },
    ),
    "mobilevitv2": Family(
        "MobileViT",
        {"size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}},
        {"width_multiplier": 0.25},
    ),
    "poolformer": Family("PoolFormer", _CROPPED | {"crop_pct": 0.95}, _STAGES),
    "pp_lcnet": Family(
        "PPLCNet", {"resize_short": 37, "crop_size": {"height": 32, "width": 32}}, {"scale": 0.25}
    ),
    "pvt": Family(
        "Pvt",
        _SQUARE,
        {"num_labels": 5, "image_size": 32, "sequence_reduction_ratios": [4, 2, 1, 1]} | _STAGES | _HEADS,
    ),
    "pvt_v2": Family("Pvt", _SQUARE, {"image_size": 32} | _STAGES | _HEADS),
    "regnet": Family(
        "ConvNext",
        {"size": {"shortest_edge": 32}},
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "groups_width": 8},
    ),
    "resnet": Family(
        "ConvNext",
        {"size": {"shortest_edge": 32}},
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
    ),
    "segformer": Family("Segformer", _SQUARE, _STAGES | _HEADS),
    "siglip": Family("Siglip", _SQUARE, _TOWERS),
    "swiftformer": Family(
        "ViT",
        {"size": {"height": 64, "width": 64}},
        {"image_size": 64, "embed_dims": [8, 8, 16, 16], "depths": [1, 1, 1, 1]},
    ),
    "swin": Family("ViT", _SQUARE, _WINDOWS),
    "swinv2": Family("ViT", _SQUARE, _WINDOWS),
    "vit": Family("ViT", _SQUARE, _VIT),
    "vit_msn": Family("ViT", _SQUARE | {"do_normalize": False}, _VIT),
}


@dataclass(frozen=True, slots=True)
class Saved:
    """A network of transformers in a folder.

    Attributes:
        folder: with its config.json, weights and preprocessor_config.json.
        network: as transformers built it.
        processor: its image processor, on Pillow if there is one.
    """

    folder: Path
    network: Any
    processor: Any


def save_family(name: str, folder: Path, **settings: Any) -> Saved:
    """Save a small network of a family, with random weights; further settings are those of its configuration."""
    family = FAMILIES[name]
    kind = family.kind or name
    usual = MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES[kind]
    config = AutoConfig.for_model(kind, **{"id2label": NAMES} | dict(family.config) | settings)
    config.architectures = [family.network or (usual if isinstance(usual, str) else usual[0])]
    torch.manual_seed(0)
    network = AutoModelForImageClassification.from_config(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
            parameter.add_(torch.randn_like(parameter), alpha=scale)
    network.save_pretrained(folder)
    start = f"{family.processor}ImageProcessor"
    processor = getattr(transformers, f"{start}Pil", None) or getattr(transformers, start)
    saved_processor = processor(**family.steps)
    saved_processor.save_pretrained(folder)
    return Saved(folder, network, saved_processor)
