"""Class activation maps: what in an image speaks for a class.

The arithmetic is pytorch-grad-cam's; which layer to look at is found here.
"""

import difflib
from collections.abc import Sequence

import numpy as np
import torch
from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, LayerCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from cnncli import logits
from cnncli.errors import UsageError
from cnncli.evaluation.classes import class_called
from cnncli.inspection.maps import layer_maps
from cnncli.inspection.network import Opened, Seen
from cnncli.networks.layers import as_maps, named_layer, watched
from cnncli.records.choices import Method
from cnncli.records.networks import ModelCard
from cnncli.records.pictures import Panel, Plate, Scale, Values

_METHODS = {
    Method.GRADCAM: GradCAM,
    Method.GRADCAM_PLUS_PLUS: GradCAMPlusPlus,
    Method.EIGENCAM: EigenCAM,
    Method.LAYERCAM: LayerCAM,
}


def target_layer(opened: Opened, image: Seen) -> str:
    """The last layer that gives maps which the answer depends on.

    Of a convolutional network that is its last block; of a transformer whose class token answers, the normalisation before
    its last attention, as nothing that happens to the patches after it matters.

    Raises:
        UsageError: there is none.
    """
    images = image.images.clone().requires_grad_()
    layers = {name: part for name, part in opened.network.named_modules() if name and ".attn." not in name}
    with torch.enable_grad(), watched(layers, as_copies=False) as found:
        logits = opened.network(images)
        outputs = {name: output for name, output in found.items() if output.requires_grad}
        gradients: Sequence[Tensor | None] = torch.autograd.grad(
            logits.max(), list(outputs.values()), allow_unused=True
        )
    for name, gradient in reversed(list(zip(outputs, gradients, strict=True))):
        maps = None if gradient is None else as_maps(gradient, images.shape[2:])
        if maps is not None and maps[0, 0].numel() > 1 and bool(maps.any()):
            return name
    raise UsageError(
        f"{opened.card.name} has no layer whose maps its answer depends on",
        "a last layer of zeros, as torchvision's transformers begin with, answers the same to everything: take trained weights",
    )


def class_indices(card: ModelCard, wanted: Sequence[str]) -> list[int]:
    """Classes by name, synset or index.

    Raises:
        UsageError: there is no such class; the hint has the closest names.
    """
    return list(dict.fromkeys(_class_index(card, word) for word in wanted))


def _class_index(card: ModelCard, word: str) -> int:
    index = class_called(card, word)
    if index is not None:
        return index
    names = [name.lower() for name in card.class_names]
    if several := [place for place, name in enumerate(names) if name == word.lower()]:
        raise UsageError(
            f"{card.name} has {len(several)} classes of the name {word!r}",
            f"name one by its index, {' or '.join(map(str, several))}",
        )
    close = difflib.get_close_matches(word.lower(), dict.fromkeys(names), 4)
    counted = f"its {len(names):,} classes count from 0 to {len(names) - 1:,}"
    raise UsageError(
        f"{card.name} knows no class {word!r}", f"did you mean {', '.join(close)}?" if close else counted
    )


def probabilities(opened: Opened, image: Seen) -> Values:
    """(K,): of all classes."""
    with torch.inference_mode():
        scores: Values = opened.network(image.images)[:1].double().numpy()
    shares: Values = logits.probabilities(scores)[0]
    return shares


def activation(opened: Opened, image: Seen, name: str, index: int, method: Method) -> Values:
    """(H, W), 0 to 1: how much each place of the image speaks for a class.

    Args:
        opened: the network.
        image: the image.
        name: of the layer whose maps are weighed.
        index: of the class.
        method: how they are weighed.

    Raises:
        UsageError: there is no such layer, or it gives no maps.
    """
    if layer_maps(opened, image, name)[0].numel() == 1:
        raise UsageError(f"{name} gives maps of 1 x 1: they say nothing of where", "name an earlier layer")
    size = image.images.shape[2:]

    def reshaped(output: Tensor) -> Tensor:
        maps = as_maps(output, size)
        assert maps is not None  # noqa: S101 - layer_maps has seen to it
        return maps.clone()  # what follows may overwrite it in place

    found: Values | None = None
    chosen = named_layer(opened.network, name)
    with torch.enable_grad(), _METHODS[method](opened.network, [chosen], reshape_transform=reshaped) as cam:
        images = image.images.clone().requires_grad_()
        found = cam(input_tensor=images, targets=[ClassifierOutputTarget(index)])[0].astype(np.float64)
    if found is None:  # the library says so on stdout, and goes on
        raise UsageError(
            f"the answer does not depend on {name}", "name an earlier layer, or leave --layer out"
        )
    return found


def plate(opened: Opened, image: Seen, name: str, indices: Sequence[int], method: Method) -> Plate:
    """The image, and what speaks for each class laid over it.

    Args:
        opened: the network.
        image: the image.
        name: of the layer whose maps are weighed.
        indices: of the classes.
        method: how they are weighed.

    Raises:
        UsageError: as `activation`.
    """
    shares = probabilities(opened, image)
    knows_classes = method is not Method.EIGENCAM
    over = []
    for index in indices if knows_classes else indices[:1]:
        heat = activation(opened, image, name, index, method)
        title = f"{opened.card.class_names[index]}, {shares[index]:.1%}" if knows_classes else "the maps"
        title += "" if heat.any() else ": nothing speaks for it" if knows_classes else ": nothing"
        over.append(Panel(title, heat, Scale.STRENGTH, (0.0, 1.0), under=image.picture))
    what = "what speaks for a class" if knows_classes else "what stands out in the maps, whatever the class"
    return Plate(
        f"{opened.card.name}: {what} ({method}, {name})",
        (Panel("the image", image.picture, Scale.IMAGE), *over),
        min(len(over) + 1, 4),
        legend="from nothing to the most" + (", each class for itself" if len(over) > 1 else ""),
    )
