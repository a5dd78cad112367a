"""Networks of timm."""

import contextlib
import functools
import math
import sys
from typing import Any

import timm
import torch
from timm.data.config import resolve_data_config
from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset
from timm.layers.drop import DropPath
from timm.models import EfficientNet, PretrainedCfg, get_model_args
from torch import Tensor, nn

from cnncli.errors import ModelNotFoundError
from cnncli.networks.downloads import HubFile, Published, WebFile
from cnncli.networks.saved import WEIGHTS_FILES
from cnncli.networks.zoo import efficientnet_pytorch
from cnncli.networks.zoo.offer import Offer, no_drop_path
from cnncli.networks.zoo.torchvision import accuracy
from cnncli.networks.zoo.torchvision import imagenet_names as torchvision_names
from cnncli.records.networks import Architecture, Interpolation, Preprocessing, Resize

HUB_FILES = WEIGHTS_FILES
"""timm's names for weights files on the hub, the same as those of transformers."""
_IMAGENET_1K = 1000

_TORCHVISION_TAG = "tv_in1k"
"""timm's tag for copies of torchvision's first weights (IMAGENET1K_V1), whose accuracy torchvision publishes."""


def offer(architecture: str, tag: str, image_size: tuple[int, int] | None) -> Offer:
    """Timm's network of a name; arguments and errors as `zoo.offer`."""
    config = _config(architecture, tag)
    name = f"{architecture}.{config.tag}" if config.tag else architecture
    return describe(name, architecture, config, _published(config), image_size)


def describe(
    name: str,
    architecture: str,
    config: PretrainedCfg,
    published: Published | None,
    image_size: tuple[int, int] | None,
    own_size: tuple[int, int] | None = None,
) -> Offer:
    """A timm network with the weights of one configuration.

    Args:
        name: full name of the network with its weights.
        architecture: timm's name for it.
        config: timm's configuration of the weights, or that of a repository on the hub.
        published: where they are published.
        image_size: (height, width) in pixels; None for that of the weights.
        own_size: (height, width) that the architecture was built with; None for its default.
    """
    steps = preprocessing(config, image_size)
    build_size = steps.size if config.fixed_input_size and image_size else own_size
    class_names, imagenet = _classes(config)
    is_torchvision = config.tag == _TORCHVISION_TAG and steps.size == preprocessing(config, None).size
    top1, top5 = accuracy(architecture, "IMAGENET1K_V1") if is_torchvision else (None, None)
    return Offer(
        name=name,
        architecture=Architecture("timm", architecture, config.num_classes, config.input_size[0], build_size),
        preprocessing=steps,
        class_names=class_names,
        imagenet=imagenet,
        published=published,
        top1=top1,
        top5=top5,
        has_classes=class_names is not None or not _gives_embeddings(architecture, config),
    )


_MIN_UNNAMED_CLASSES = 10_000
"""timm has class names (ImageNet's) for all its classifiers with fewer classes. Networks with fewer outputs and without
names give embeddings: CLIP, MobileCLIP, MetaCLIP, ViTamin, Perception Encoder."""


def _gives_embeddings(architecture: str, config: PretrainedCfg) -> bool:
    """Whether the outputs of a network without class names are dimensions of an embedding.

    That of a repository on the hub counts if timm's own weights for the architecture have the same number of outputs and no
    class names.
    """
    if not config.num_classes:
        return True
    configs = map(timm.get_pretrained_cfg, timm.list_pretrained(f"{architecture}.*"))
    return config.num_classes < _MIN_UNNAMED_CLASSES and any(
        other and other.num_classes == config.num_classes and not infer_imagenet_subset(other.to_dict())
        for other in configs
    )


def _published(config: PretrainedCfg) -> Published | None:
    if config.hf_hub_id:
        names = (config.hf_hub_filename,) if config.hf_hub_filename else HUB_FILES
        return HubFile(config.hf_hub_id, names)
    url = config.url if isinstance(config.url, str) else None
    return WebFile(url) if url else None


def _config(architecture: str, tag: str) -> PretrainedCfg:
    try:
        config = timm.get_pretrained_cfg(f"{architecture}.{tag}" if tag else architecture)
    except RuntimeError as error:
        tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]
        raise ModelNotFoundError(
            f"timm has no weights {tag!r} for {architecture}", f"tags: {', '.join(tags) or 'none'}"
        ) from error
    return config or PretrainedCfg(architecture=architecture)


def preprocessing(config: PretrainedCfg, image_size: tuple[int, int] | None) -> Preprocessing:
    """The preprocessing that timm's `transforms_imagenet_eval` does for a configuration."""
    data = resolve_data_config(pretrained_cfg=config.to_dict())
    channels = int(data["input_size"][0])
    height, width = image_size or data["input_size"][1:]
    resize = (math.floor(height / data["crop_pct"]), math.floor(width / data["crop_pct"]))
    mode = {"squash": Resize.SQUASH, "border": Resize.FIT}.get(data["crop_mode"])
    has_border = data["crop_mode"] == "border"
    return Preprocessing(
        channels=channels,
        size=(height, width),
        resize_mode=mode or (Resize.SHORTER if resize[0] == resize[1] else Resize.COVER),
        resize=resize,
        interpolation=Interpolation(data["interpolation"]),
        fill=tuple(round(255 * value) if has_border else 0 for value in data["mean"]),
        mean=tuple(map(float, data["mean"])),
        std=tuple(map(float, data["std"])),
    )


def _classes(config: PretrainedCfg) -> tuple[tuple[str, ...] | None, str | None]:
    """Class names, and the ImageNet subset that they belong to."""
    if config.label_names:
        descriptions = config.label_descriptions or {}
        return tuple(descriptions.get(name, name) for name in config.label_names), None
    imagenet = infer_imagenet_subset(config.to_dict())
    return (_imagenet_names(imagenet), imagenet) if imagenet else (None, None)


@functools.cache
def _imagenet_names(imagenet: str) -> tuple[str, ...]:
    """Class names of an ImageNet subset; for the 1,000 classes torchvision's, which are unique."""
    info = ImageNetInfo(imagenet)
    if info.num_classes() == _IMAGENET_1K:
        return torchvision_names()
    return tuple(str(name).split(",")[0] for name in info.label_descriptions())


def synsets(imagenet: str) -> tuple[str, ...]:
    """WordNet IDs of an ImageNet subset."""
    return tuple(ImageNetInfo(imagenet).label_names())


def build(architecture: Architecture, drop_path: float) -> nn.Module:
    """Build a network with random weights; arguments and errors as `zoo.build`."""
    # A card may name a folder or a repository, which timm would open.
    if not timm.is_model(architecture.name):
        raise ModelNotFoundError(f"timm {timm.__version__} has no network {architecture.name!r}")
    options: dict[str, Any] = {"in_chans": architecture.channels}
    if drop_path:
        options["drop_path_rate"] = drop_path
    if architecture.image_size:
        options["img_size"] = architecture.image_size
    network: nn.Module
    try:
        network = timm.create_model(architecture.name, num_classes=architecture.num_classes, **options)
    except TypeError:
        if drop_path:
            raise no_drop_path(architecture) from None
        raise
    if drop_path and not any(isinstance(module, DropPath) for module in network.modules()):
        raise no_drop_path(architecture)
    return network


def default_arguments(architecture: str) -> dict[str, Any]:
    """The arguments that timm writes for an architecture as it is; empty for one that cannot be built without memory."""
    with contextlib.suppress(NotImplementedError, RuntimeError), torch.device("meta"):
        return dict(get_model_args(timm.create_model(architecture)))
    return {}


def adapt_weights(tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Weights in their authors' layout, converted for timm's network.

    timm has a conversion function beside many networks, which also resamples position embeddings to another image size. For
    EfficientNet-PyTorch it has none.
    """
    if efficientnet_pytorch.is_efficientnet_pytorch(tensors) and isinstance(network, EfficientNet):
        return efficientnet_pytorch.rename(tensors, network)
    module = sys.modules[type(network).__module__]
    convert = getattr(module, "checkpoint_filter_fn", None) or getattr(module, "_filter_fn", None)
    if convert is None:
        return tensors
    try:
        converted: dict[str, Tensor] = convert(dict(tensors), network)
    except (KeyError, RuntimeError, ValueError, IndexError, TypeError, AttributeError):
        return tensors  # another layout; loading reports what does not fit
    return converted
