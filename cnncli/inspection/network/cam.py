"""Class activation maps, computed by pytorch-grad-cam; the layer and the classes are chosen here."""

import difflib
from collections.abc import Sequence

import numpy as np
import torch
from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, LayerCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from cnncli import logits
from cnncli.data.stratified import shortlist
from cnncli.errors import UsageError
from cnncli.evaluation.classes import find_class, has_numeric_names
from cnncli.inspection.network.loading import InputImage, LoadedModel
from cnncli.inspection.network.maps import layer_maps
from cnncli.networks.zoo.layers import as_maps, capture_outputs, find_layer
from cnncli.records.choices import CamMethod
from cnncli.records.networks import ModelCard
from cnncli.records.pictures import TRANSPARENT_BELOW, Figure, Panel, Scale, Values
from cnncli.text import percent

_METHODS = {
    CamMethod.GRADCAM: GradCAM,
    CamMethod.GRADCAM_PLUS_PLUS: GradCAMPlusPlus,
    CamMethod.EIGENCAM: EigenCAM,
    CamMethod.LAYERCAM: LayerCAM,
}

_METHOD_NAMES = {
    CamMethod.GRADCAM: "Grad-CAM",
    CamMethod.GRADCAM_PLUS_PLUS: "Grad-CAM++",
    CamMethod.EIGENCAM: "Eigen-CAM",
    CamMethod.LAYERCAM: "Layer-CAM",
}


def target_layer(model: LoadedModel, image: InputImage) -> str:
    """The name of the last layer with feature maps that the logits depend on.

    In a convolutional network that is the last block. In a transformer that classifies by its class token, it is the
    normalisation before the last attention: whatever happens to the patch tokens later does not reach the logits.

    Raises:
        UsageError: there is none.
    """
    images = image.batch.clone().requires_grad_()
    layers = {name: module for name, module in model.network.named_modules() if name and ".attn." not in name}
    with torch.enable_grad(), capture_outputs(layers, as_copies=False) as captured:
        logits = model.network(images)
        outputs = {name: output for name, output in captured.items() if output.requires_grad}
        gradients: Sequence[Tensor | None] = torch.autograd.grad(
            logits.max(), list(outputs.values()), allow_unused=True
        )
    for name, gradient in reversed(list(zip(outputs, gradients, strict=True))):
        maps = None if gradient is None else as_maps(gradient, images.shape[2:])
        if maps is not None and maps[0, 0].numel() > 1 and bool(maps.any()):
            return name
    raise UsageError(
        f"{model.card.name} has no layer whose feature maps influence its logits",
        "an untrained torchvision transformer ends in a layer of zeros: use trained weights",
    )


def class_indices(card: ModelCard, names: Sequence[str]) -> list[int]:
    """Indices of classes that are given by name, synset or index, without repetitions.

    Raises:
        UsageError: there is no such class; the hint has the closest names.
    """
    return list(dict.fromkeys(_class_index(card, name) for name in names))


def _class_index(card: ModelCard, name: str) -> int:
    index = find_class(card, name)
    if index is not None:
        return index
    class_names = [class_name.lower() for class_name in card.class_names]
    same_name = [index for index, class_name in enumerate(class_names) if class_name == name.lower()]
    if same_name:
        raise UsageError(
            f"{card.name} has {len(same_name)} classes called {name!r}",
            f"use the index instead: {' or '.join(map(str, same_name))}",
        )
    close = difflib.get_close_matches(name.lower(), dict.fromkeys(class_names), 4)
    valid = f"its {len(class_names):,} classes have the indices 0 to {len(class_names) - 1:,}"
    if has_numeric_names(card):
        valid = f"its classes are {shortlist(card.class_names)}; with such names, a number is no index"
    raise UsageError(
        f"{card.name} has no class {name!r}", f"did you mean {', '.join(close)}?" if close else valid
    )


def probabilities(model: LoadedModel, image: InputImage) -> Values:
    """(K,): the probabilities of all classes."""
    with torch.inference_mode():
        scores: Values = model.network(image.batch)[:1].double().numpy()
    result: Values = logits.probabilities(scores)[0]
    return result


def predicted_class(model: LoadedModel, image: InputImage) -> int:
    """Index of the most probable class."""
    return int(logits.predicted_classes(probabilities(model, image)))


def activation_map(model: LoadedModel, image: InputImage, name: str, index: int, method: CamMethod) -> Values:
    """(H, W), 0 to 1: the class activation map of a class.

    Args:
        model: the network.
        image: its input.
        name: of the layer whose feature maps are weighted.
        index: of the class.
        method: how they are weighted.

    Raises:
        UsageError: there is no such layer, it has no feature maps, or the logits do not depend on it.
    """
    if layer_maps(model, image, name)[0].numel() == 1:
        raise UsageError(
            f"the feature maps of {name} are 1 x 1 and show no location", "name an earlier layer"
        )
    size = image.batch.shape[2:]

    def reshape(output: Tensor) -> Tensor:
        maps = as_maps(output, size)
        assert maps is not None  # noqa: S101 - layer_maps raises otherwise
        return maps.clone()  # the next layer may overwrite it in place

    result: Values | None = None
    layer = find_layer(model.network, name)
    with torch.enable_grad(), _METHODS[method](model.network, [layer], reshape_transform=reshape) as cam:
        images = image.batch.clone().requires_grad_()
        result = cam(input_tensor=images, targets=[ClassifierOutputTarget(index)])[0].astype(np.float64)
    if result is None:  # the library swallows the exception of the block above
        raise UsageError(f"the logits do not depend on {name}", "name an earlier layer, or omit --layer")
    return result


def figure(
    model: LoadedModel,
    image: InputImage,
    photograph: Values,
    name: str,
    indices: Sequence[int],
    method: CamMethod,
) -> Figure:
    """The image, and the class activation maps of some classes overlaid on it.

    Args:
        model: the network.
        image: its input.
        photograph: the same region of the image, in any resolution, which is drawn.
        name: of the layer whose feature maps are weighted.
        indices: of the classes; Eigen-CAM, which ignores the class, draws one map.
        method: how the feature maps are weighted.

    Raises:
        UsageError: as `activation_map`.
    """
    class_probabilities = probabilities(model, image)
    is_per_class = method is not CamMethod.EIGENCAM
    overlays = []
    for index in indices if is_per_class else indices[:1]:
        heat = activation_map(model, image, name, index, method)
        title = (
            f"{model.card.class_names[index]}, {percent(class_probabilities[index])}"
            if is_per_class
            else "all classes"
        )
        title += "" if heat.any() else " (zero everywhere)"
        overlays.append(Panel(title, heat, Scale.STRENGTH, (0.0, 1.0), under=photograph))
    return Figure(
        f"{model.card.name}: {_METHOD_NAMES[method]} at {name}",
        (Panel("input", photograph, Scale.IMAGE), *overlays),
        min(len(overlays) + 1, 4),
        legend="0 to max"
        + (", per class" if len(overlays) > 1 else "")
        + f"; transparent below {TRANSPARENT_BELOW:g}",
    )
