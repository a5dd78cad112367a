"""Networks of torchvision."""

import re
from typing import Any

import torchvision
from torch import Tensor, nn

from cnncli.errors import ModelNotFoundError, UsageError
from cnncli.networks.downloads import WebFile
from cnncli.networks.reference import LIBRARY
from cnncli.networks.zoo.offer import Offer, no_drop_path, resize_input
from cnncli.records.networks import Architecture, Interpolation, Preprocessing, Resize


def offer(architecture: str, tag: str, image_size: tuple[int, int] | None) -> Offer:
    """Torchvision's network of a name; arguments and errors as `zoo.offer`."""
    weights = _weights(architecture, tag)
    class_names = tuple(weights.meta["categories"])
    preprocessing = _preprocessing(architecture, weights, image_size)
    is_own_size = preprocessing.size == _preprocessing(architecture, weights, None).size
    top1, top5 = accuracy(architecture, weights.name) if is_own_size else (None, None)
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
        imagenet="imagenet-1k" if class_names == imagenet_names() else None,
        published=WebFile(weights.url),
        top1=top1,
        top5=top5,
    )


def accuracy(architecture: str, tag: str) -> tuple[float | None, float | None]:
    """Published top-1 and top-5 accuracy of a set of weights in percent; None where there is none."""
    if architecture not in architectures():
        return None, None
    weights = torchvision.models.get_model_weights(architecture).__members__.get(tag)
    metrics = weights.meta["_metrics"].get("ImageNet-1K", {}) if weights else {}
    return metrics.get("acc@1"), metrics.get("acc@5")


def names() -> list[str]:
    """All sets of weights with class names, as `torchvision/NAME.TAG`; VGG16_Weights.IMAGENET1K_FEATURES has none."""
    return [
        f"{LIBRARY}{architecture}.{weights.name}"
        for architecture in architectures()
        for weights in torchvision.models.get_model_weights(architecture)
        if weights.meta["categories"]
    ]


def _weights(architecture: str, tag: str) -> Any:  # noqa: ANN401 - torchvision is not typed
    available = torchvision.models.get_model_weights(architecture)
    weights = available.__members__.get(tag) if tag else available.DEFAULT
    if weights is None or not weights.meta["categories"]:
        tags = ", ".join(entry.name for entry in available if entry.meta["categories"])
        raise ModelNotFoundError(f"torchvision has no weights {tag!r} for {architecture}", f"tags: {tags}")
    return weights


def _preprocessing(
    architecture: str,
    weights: Any,  # noqa: ANN401 - torchvision is not typed
    image_size: tuple[int, int] | None,
) -> Preprocessing:
    """The preprocessing that `weights.transforms()` (torchvision's `ImageClassification` preset) does."""
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
            f"torchvision's {architecture} accepts {crop} x {crop} pixels only", "omit --img-size"
        )
    return resize_input(preprocessing, image_size)


def build(architecture: Architecture, drop_path: float) -> nn.Module:
    """Build a network with random weights; arguments and errors as `zoo.build`."""
    if architecture.name not in torchvision.models.list_models(torchvision.models):
        raise ModelNotFoundError(
            f"torchvision {torchvision.__version__} has no network {architecture.name!r}"
        )
    options: dict[str, Any] = {}
    if architecture.name in {"googlenet", "inception_v3"}:
        # The published weights need the input to be rescaled within the network, which torchvision enables only together
        # with its own download; and random initialisation takes seconds.
        options = {"transform_input": True, "init_weights": False}
    if architecture.image_size:
        options["image_size"] = architecture.image_size[0]
    network: nn.Module = torchvision.models.get_model(
        architecture.name, weights=None, num_classes=architecture.num_classes or 1, **options
    )
    if not architecture.num_classes:
        layers = [
            name for name, module in network.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)
        ]
        network.set_submodule(layers[-1], nn.Identity())
    blocks = [module for module in network.modules() if isinstance(module, torchvision.ops.StochasticDepth)]
    if drop_path and not blocks:
        raise no_drop_path(architecture)
    for number, block in enumerate(blocks, 1):
        block.p = drop_path * number / len(blocks) if drop_path else block.p
    return network


def adapt_weights(tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Weights in their authors' layout, converted for torchvision's network: the layers of its DenseNets were renamed."""
    if not isinstance(network, torchvision.models.DenseNet):
        return tensors
    return {_OLD_DENSENET.sub(r"\1\2", name): value for name, value in tensors.items()}


_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.\w+)$")
"""As in torchvision's `densenet._load_state_dict`: `norm.1.weight` is the old name of `norm1.weight`."""


def architectures() -> list[str]:
    """The names of all image classification networks."""
    return list(torchvision.models.list_models(module=torchvision.models))


def imagenet_names() -> tuple[str, ...]:
    """Torchvision's names of ImageNet's 1,000 classes, which are short and unique."""
    return tuple(torchvision.models.SqueezeNet1_0_Weights.IMAGENET1K_V1.meta["categories"])
