"""Class activation maps: which places of a photograph speak for a class; how they are weighed is in `cam_methods`."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cnncli import logits
from cnncli.errors import UsageError
from cnncli.evaluation.tasks.scoring import predicted_answers
from cnncli.inspection.network.cam_methods import METHODS
from cnncli.inspection.network.loading import InputImage, LoadedModel
from cnncli.inspection.network.maps import layer_maps
from cnncli.networks.zoo.layers import as_maps, capture_outputs, find_layer
from cnncli.records.choices import CamMethod
from cnncli.records.networks import ModelCard
from cnncli.records.pictures import TRANSPARENT_BELOW, Figure, Panel, Scale, Values
from cnncli.records.tasks import columns_of, has_several
from cnncli.text import percent

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
    with torch.enable_grad(), capture_outputs(layers) as captured:
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


def probabilities(model: LoadedModel, image: InputImage) -> Values:
    """(K,): the probabilities of all classes."""
    with torch.inference_mode():
        scores: Values = model.network(image.batch)[:1].double().numpy()
    result: Values = logits.probabilities(scores, model.card.tasks)[0]
    return result


def predicted_indices(model: LoadedModel, image: InputImage) -> list[int]:
    """Indices of the predicted classes: the most probable one of each task, and all that reach their thresholds."""
    shares, tasks = probabilities(model, image), model.card.tasks
    (is_predicted,) = predicted_answers(shares[None].astype(np.float32), tasks)
    for columns in columns_of(tasks) or [slice(None)]:
        is_predicted[columns][logits.predicted_classes(shares[columns])] = True
    return [int(index) for index in np.flatnonzero(is_predicted)]


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
    maps, gradients = _maps_and_gradients(model, image, name, index)
    heat = METHODS[method](maps, gradients).relu()
    heat = functional.interpolate(
        _scale(heat)[None, None], tuple(image.batch.shape[2:]), mode="bilinear", align_corners=False
    )[0, 0]
    result: Values = _scale(heat).double().numpy()
    return result


def _maps_and_gradients(
    model: LoadedModel, image: InputImage, name: str, index: int
) -> tuple[Tensor, Tensor]:
    """The feature maps (D, h, w) of a layer, and the derivatives of a class's logit with respect to them."""
    layer = find_layer(model.network, name)
    with torch.enable_grad(), capture_outputs({name: layer}) as captured:
        logit = model.network(image.batch.clone().requires_grad_())[0, index]
        (gradient,) = torch.autograd.grad(logit, [captured[name]], allow_unused=True)
    if gradient is None:
        raise UsageError(f"the logits do not depend on {name}", "name an earlier layer, or omit --layer")
    size = image.batch.shape[2:]
    maps, gradients = as_maps(captured[name].detach(), size), as_maps(gradient, size)
    assert maps is not None  # noqa: S101 - layer_maps raises otherwise
    assert gradients is not None  # noqa: S101
    return maps[0], gradients[0]


def _scale(heat: Tensor) -> Tensor:
    """Values from 0 to 1."""
    heat = heat - heat.min()
    return heat / (heat.max() + _TINY)


def _titles(card: ModelCard) -> Sequence[str]:
    """The names of all classes; with that of their task where there are several."""
    if not has_several(card.tasks):
        return card.class_names
    return [f"{task.name}: {name}" for task in card.tasks for name in task.class_names]


_TINY = 1e-7
"""Keeps a map that is zero everywhere from being divided by zero."""


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
    class_probabilities, names = probabilities(model, image), _titles(model.card)
    is_per_class = method is not CamMethod.EIGENCAM
    overlays = []
    for index in indices if is_per_class else indices[:1]:
        heat = activation_map(model, image, name, index, method)
        title = f"{names[index]}, {percent(class_probabilities[index])}" if is_per_class else "all classes"
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
