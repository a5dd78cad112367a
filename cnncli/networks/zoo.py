"""Networks of timm and torchvision: found by name, built, and described.

The one place that knows what the two libraries call things. Importing it costs seconds (torch,
torchvision, timm), so `prepare` does so only when there is something to prepare.
"""

import dataclasses
import functools
import math
import re
import sys
from dataclasses import dataclass
from typing import Any

import timm
import torch
import torchvision
from timm.data.config import resolve_data_config
from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset
from timm.models import PretrainedCfg
from torch import Tensor, nn

from cnncli.errors import ModelNotFoundError, UsageError
from cnncli.networks import blueprint, index
from cnncli.networks.blueprint import shapes, tree
from cnncli.networks.blueprint.builder import build as build_blueprint
from cnncli.networks.blueprint.parser import parse
from cnncli.networks.blueprint.writer import written
from cnncli.networks.hub import Address, HubFile, Published
from cnncli.networks.reference import LIBRARY
from cnncli.records.networks import Architecture, Interpolation, Preprocessing, Resize

HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""What timm calls the weights on the hub, the safe form first."""
_IMAGENET_1K = 1000


@dataclass(frozen=True, slots=True)
class Offer:
    """A network that a library offers, with what goes with one set of its weights.

    Attributes:
        name: full, with library and tag: `resnet50.a1_in1k`, `torchvision/alexnet.IMAGENET1K_V1`.
        architecture: how to build it; no classes where its weights are those of a backbone without a classifier.
        preprocessing: what those weights were trained to see.
        class_names: of its pretrained weights; None where the library does not say.
        synsets: likewise.
        published: where those weights are; None where nobody published any.
        top1, top5: percent of ImageNet's validation images, where the library says so.
    """

    name: str
    architecture: Architecture
    preprocessing: Preprocessing
    class_names: tuple[str, ...] | None
    synsets: tuple[str, ...] | None
    published: Published | None
    top1: float | None = None
    top5: float | None = None


def offer(name: str, image_size: tuple[int, int] | None = None) -> Offer:
    """What a name stands for: timm's where timm has it, else torchvision's; `torchvision/NAME` always.

    Args:
        name: of a network, with or without the tag of its weights.
        image_size: (height, width) in pixels, where it should differ from the weights' own.

    Raises:
        ModelNotFoundError: no library has it; the message has the closest names.
        UsageError: the network cannot take that image size.
    """
    if blueprint.is_blueprint(name):
        return _blueprint_offer(name, image_size)
    architecture, _, tag = name.removeprefix(LIBRARY).partition(".")
    if not name.startswith(LIBRARY) and timm.is_model(architecture):
        return _timm_offer(architecture, tag, image_size)
    if architecture in _torchvision_names():
        return _torchvision_offer(architecture, tag, image_size)
    raise ModelNotFoundError(f"no network is called {name!r}", index.closest(name, index.read().entries))


def build(architecture: Architecture) -> nn.Module:
    """The network in evaluation mode, with random weights: the same ones each time."""
    torch.manual_seed(0)
    match architecture.library:
        case "timm":
            options: dict[str, Any] = {"in_chans": architecture.channels}
            if architecture.image_size:
                options["img_size"] = architecture.image_size
            network = timm.create_model(architecture.name, num_classes=architecture.num_classes, **options)
        case "torchvision":
            network = _torchvision_model(architecture)
        case "blueprint":
            network = build_blueprint(parse(architecture.blueprint or ""))
    built: nn.Module = network.eval()
    return built


def _torchvision_model(architecture: Architecture) -> nn.Module:
    options: dict[str, Any] = {}
    if architecture.name in {"googlenet", "inception_v3"}:
        # Their published weights expect the input rescaled within the network, which torchvision switches
        # on only together with its own download; and drawing their weights at random takes seconds.
        options = {"transform_input": True, "init_weights": False}
    if architecture.image_size:
        options["image_size"] = architecture.image_size[0]
    network: nn.Module = torchvision.models.get_model(
        architecture.name, weights=None, num_classes=architecture.num_classes, **options
    )
    return network


def adapted(tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Weights as published by a network's authors, named and shaped as the library's network has them.

    timm keeps such a translation beside many of its networks (it also resamples position embeddings for
    another image size); torchvision renames its DenseNets' layers while it downloads them.
    """
    own = network.state_dict()
    if all(name in own and own[name].shape == value.shape for name, value in tensors.items()):
        return tensors
    if isinstance(network, torchvision.models.DenseNet):
        return {_OLD_DENSENET.sub(r"\1\2", name): value for name, value in tensors.items()}
    home = sys.modules[type(network).__module__]
    translate = getattr(home, "checkpoint_filter_fn", None) or getattr(home, "_filter_fn", None)
    if translate is None or not home.__name__.startswith("timm."):
        return tensors
    try:
        translated: dict[str, Tensor] = translate(dict(tensors), network)
    except (KeyError, RuntimeError, ValueError, IndexError, TypeError, AttributeError):
        return tensors  # not weights that it knows; what does not fit will be told
    return translated


_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.\w+)$")
"""As in torchvision's `densenet._load_state_dict`: `norm.1.weight` was `norm1.weight`'s name."""


def _torchvision_names() -> list[str]:
    return list(torchvision.models.list_models(module=torchvision.models))


# ---- timm


def _timm_offer(architecture: str, tag: str, image_size: tuple[int, int] | None) -> Offer:
    config = _timm_config(architecture, tag)
    name = f"{architecture}.{config.tag}" if config.tag else architecture
    return described(name, architecture, config, _timm_published(config), image_size)


def described(
    name: str,
    architecture: str,
    config: PretrainedCfg,
    published: Published | None,
    image_size: tuple[int, int] | None,
    own_size: tuple[int, int] | None = None,
) -> Offer:
    """A network of timm's as one of its configurations describes it.

    Args:
        name: full, of the network with its weights.
        architecture: timm's name for it.
        config: what timm, or a repository on the hub, says of the weights.
        published: where they are.
        image_size: (height, width) in pixels, where it should differ from the weights' own.
        own_size: likewise, for which the weights' architecture was built, where that is not its usual one.
    """
    preprocessing = _timm_preprocessing(config, image_size)
    fixed = preprocessing.size if config.fixed_input_size and image_size else own_size
    class_names, synsets = _timm_classes(config)
    return Offer(
        name=name,
        architecture=Architecture("timm", architecture, config.num_classes, config.input_size[0], fixed),
        preprocessing=preprocessing,
        class_names=class_names,
        synsets=synsets,
        published=published,
    )


def _timm_published(config: PretrainedCfg) -> Published | None:
    if config.hf_hub_id:
        names = (config.hf_hub_filename,) if config.hf_hub_filename else HUB_FILES
        return HubFile(config.hf_hub_id, names)
    url = config.url if isinstance(config.url, str) else None
    return Address(url) if url else None


def _timm_config(architecture: str, tag: str) -> PretrainedCfg:
    try:
        config = timm.get_pretrained_cfg(f"{architecture}.{tag}" if tag else architecture)
    except RuntimeError as error:
        tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]
        raise ModelNotFoundError(
            f"timm has no weights {tag!r} for {architecture}", f"it has {', '.join(tags) or 'none'}"
        ) from error
    return config or PretrainedCfg(architecture=architecture)


def _timm_preprocessing(config: PretrainedCfg, image_size: tuple[int, int] | None) -> Preprocessing:
    """What timm's `transforms_imagenet_eval` does with this configuration, in our words."""
    data = resolve_data_config(pretrained_cfg=config.to_dict())
    channels = int(data["input_size"][0])
    height, width = image_size or data["input_size"][1:]
    resize = (math.floor(height / data["crop_pct"]), math.floor(width / data["crop_pct"]))
    mode = {"squash": Resize.SQUASH, "border": Resize.FIT}.get(data["crop_mode"])
    filled = data["crop_mode"] == "border"
    return Preprocessing(
        channels=channels,
        size=(height, width),
        resize_mode=mode or (Resize.SHORTER if resize[0] == resize[1] else Resize.COVER),
        resize=resize,
        interpolation=Interpolation(data["interpolation"]),
        fill=tuple(round(255 * value) if filled else 0 for value in data["mean"]),
        mean=tuple(map(float, data["mean"])),
        std=tuple(map(float, data["std"])),
    )


def _timm_classes(config: PretrainedCfg) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    if config.label_names:
        descriptions = config.label_descriptions or {}
        return tuple(descriptions.get(name, name) for name in config.label_names), None
    subset = infer_imagenet_subset(config.to_dict())
    return _imagenet_classes(subset) if subset else (None, None)


@functools.cache
def _imagenet_classes(subset: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and synsets; the 1,000 classes go by torchvision's names."""
    info = ImageNetInfo(subset)
    synsets = tuple(info.label_names())
    if len(synsets) == _IMAGENET_1K:
        return imagenet_names(), synsets
    return tuple(str(name).split(",")[0] for name in info.label_descriptions()), synsets


def imagenet_names() -> tuple[str, ...]:
    """The 1,000 classes of ImageNet as torchvision calls them: short, and no name twice."""
    return tuple(torchvision.models.SqueezeNet1_0_Weights.IMAGENET1K_V1.meta["categories"])


# ---- torchvision


def _torchvision_offer(architecture: str, tag: str, image_size: tuple[int, int] | None) -> Offer:
    weights = _torchvision_weights(architecture, tag)
    class_names = tuple(weights.meta["categories"])
    preprocessing = _torchvision_preprocessing(architecture, weights, image_size)
    is_imagenet = class_names == imagenet_names()
    accuracy = weights.meta["_metrics"].get("ImageNet-1K", {})
    return Offer(
        name=f"{LIBRARY}{architecture}.{weights.name}",
        architecture=Architecture(
            "torchvision",
            architecture,
            len(class_names),
            image_size=preprocessing.size if architecture.startswith("vit_") else None,
        ),
        preprocessing=preprocessing,
        class_names=class_names,
        synsets=tuple(ImageNetInfo().label_names()) if is_imagenet else None,
        published=Address(weights.url),
        top1=accuracy.get("acc@1"),
        top5=accuracy.get("acc@5"),
    )


def torchvision_names() -> list[str]:
    """All sets of weights that name classes, each as `torchvision/NAME.TAG`; VGG16_Weights.IMAGENET1K_FEATURES does not."""
    return [
        f"{LIBRARY}{architecture}.{weights.name}"
        for architecture in _torchvision_names()
        for weights in torchvision.models.get_model_weights(architecture)
        if weights.meta["categories"]
    ]


def _torchvision_weights(architecture: str, tag: str) -> Any:  # noqa: ANN401 - torchvision is not typed
    available = torchvision.models.get_model_weights(architecture)
    chosen = available.__members__.get(tag) if tag else available.DEFAULT
    if chosen is None or not chosen.meta["categories"]:
        tags = ", ".join(weights.name for weights in available if weights.meta["categories"])
        raise ModelNotFoundError(f"torchvision has no weights {tag!r} for {architecture}", f"it has {tags}")
    return chosen


def _torchvision_preprocessing(
    architecture: str,
    weights: Any,  # noqa: ANN401 - torchvision is not typed
    image_size: tuple[int, int] | None,
) -> Preprocessing:
    """What `weights.transforms()` (torchvision's `ImageClassification` preset) does, in our words."""
    preset = weights.transforms()
    (resize,), (crop,) = preset.resize_size, preset.crop_size
    preprocessing = Preprocessing(
        channels=3,
        size=(crop, crop),
        resize_mode=Resize.SHORTER,
        resize=(resize, resize),
        interpolation=Interpolation(preset.interpolation.value),
        fill=(0, 0, 0),
        mean=tuple(map(float, preset.mean)),
        std=tuple(map(float, preset.std)),
    )
    if image_size is None or image_size == preprocessing.size:
        return preprocessing
    if architecture.startswith(("vit_", "maxvit_")):
        raise UsageError(
            f"torchvision's {architecture} takes {crop} x {crop} pixels only", "leave --img-size out"
        )
    scaled = (round(image_size[0] * resize / crop), round(image_size[1] * resize / crop))
    square = scaled[0] == scaled[1]
    return dataclasses.replace(
        preprocessing,
        size=image_size,
        resize=scaled,
        resize_mode=Resize.SHORTER if square else Resize.COVER,
    )


# ---- blueprints


def _blueprint_offer(name: str, image_size: tuple[int, int] | None) -> Offer:
    drawn = resized(blueprint.find(name), image_size)
    channels, *sides = drawn.input
    if channels not in {1, _RGB} or len(sides) != len(_COLOURS):
        raise UsageError(
            f"an image has 1 or 3 channels, height and width, and this network takes {shapes.told(drawn.input)}",
            "`cnncli summary` shows it",
        )
    mean, std = _COLOURS if channels == _RGB else ((0.5,), (0.5,))
    height, width = sides
    return Offer(
        name=blueprint.label(name),
        architecture=Architecture(
            "blueprint",
            blueprint.label(name),
            shapes.num_classes(drawn),
            channels,
            blueprint=written(drawn),
        ),
        preprocessing=Preprocessing(
            channels=channels,
            size=(height, width),
            resize_mode=Resize.SHORTER if height == width else Resize.COVER,
            resize=(height, width),
            interpolation=Interpolation.BILINEAR,
            fill=(0,) * channels,
            mean=mean,
            std=std,
        ),
        class_names=None,
        synsets=None,
        published=None,
    )


_RGB = 3
_COLOURS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of ImageNet's channels, which everybody uses who has no better ones."""


def resized(drawn: tree.Blueprint, image_size: tuple[int, int] | None) -> tree.Blueprint:
    """The same blueprint for images of another size."""
    if image_size is None:
        return drawn
    if len(drawn.input) != len(image_size) + 1:
        raise UsageError(
            f"this blueprint takes {shapes.told(drawn.input)}, not images", "leave --img-size out"
        )
    return dataclasses.replace(drawn, input=(drawn.input[0], *image_size))


def versions() -> dict[str, str]:
    """Versions of the libraries that build networks."""
    return {"torch": torch.__version__, "torchvision": torchvision.__version__, "timm": timm.__version__}
