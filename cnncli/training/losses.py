"""What a training makes smaller, and what is done to a batch before it is looked at."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cnncli.networks.blueprint.builder import BlueprintNetwork
from cnncli.training.levers import Levers


def auxiliary_weights(network: nn.Module) -> tuple[float, ...]:
    """What the losses of a network's auxiliary heads count beside the main one's 1; empty where it has none.

    0.3 of GoogLeNet's (Szegedy et al., 2014), 0.4 of Inception v3's, as torchvision's training does.
    """
    if isinstance(network, BlueprintNetwork):
        return network.loss_weights
    if getattr(network, "aux1", None) is not None:
        return (0.3, 0.3)
    return (0.4,) if getattr(network, "AuxLogits", None) is not None else ()


@dataclass(frozen=True, slots=True)
class Mixed:
    """Images, and what they show.

    Attributes:
        images: (N, C, H, W) float32.
        targets: (N,) class indices, or (N, K) shares of classes where images were mixed.
    """

    images: Tensor
    targets: Tensor


def mixed(images: Tensor, labels: Tensor, classes: int, levers: Levers, draws: np.random.Generator) -> Mixed:
    """Images mixed with others of the batch (mixup), or with a rectangle of others (CutMix); one of the two, if both.

    Args:
        images: (N, C, H, W).
        labels: (N,).
        classes: K.
        levers: the alphas.
        draws: where chance comes from.
    """
    if not levers.mixup and not levers.cutmix:
        return Mixed(images, labels)
    cuts = bool(levers.cutmix) and (not levers.mixup or draws.random() < 1 / 2)
    alpha = levers.cutmix if cuts else levers.mixup
    share = float(draws.beta(alpha, alpha))
    partners = torch.from_numpy(draws.permutation(len(images))).to(images.device)
    if cuts:
        height, width = images.shape[2:]
        rows, columns = round(height * (1 - share) ** 0.5), round(width * (1 - share) ** 0.5)
        top, left = int(draws.integers(height - rows + 1)), int(draws.integers(width - columns + 1))
        images = images.clone()
        part = (..., slice(top, top + rows), slice(left, left + columns))
        images[part] = images[partners][part]
        share = 1 - rows * columns / (height * width)
    else:
        images = share * images + (1 - share) * images[partners]
    whole = functional.one_hot(labels, classes).float()
    return Mixed(images, share * whole + (1 - share) * whole[partners])


@dataclass(frozen=True, slots=True)
class Loss:
    """The sum over a batch of what each image's answer costs.

    Attributes:
        levers: smoothing, distillation, L1.
        class_weights: (K,), or None.
        auxiliary: weights of auxiliary heads' losses.
    """

    levers: Levers
    class_weights: Tensor | None
    auxiliary: tuple[float, ...]

    def __call__(
        self, outputs: Tensor | tuple[Tensor, ...], targets: Tensor, taught: Tensor | None
    ) -> Tensor:
        """The sum over N images.

        Args:
            outputs: logits (N, K), with those of auxiliary heads where there are some.
            targets: (N,) or (N, K).
            taught: the teacher's logits (N, K), if there is one.
        """
        logits, *others = outputs if isinstance(outputs, tuple) else (outputs,)
        loss = self._of(logits, targets)
        if taught is not None:
            heat, weight = self.levers.kd_temperature, self.levers.kd_weight
            distance = functional.kl_div(
                functional.log_softmax(logits / heat, dim=1),
                functional.log_softmax(taught / heat, dim=1),
                reduction="sum",
                log_target=True,
            )
            loss = (1 - weight) * loss + weight * heat**2 * distance
        for answer, weight in zip(others, self.auxiliary, strict=True):
            loss = loss + weight * self._of(answer, targets)
        return loss

    def _of(self, logits: Tensor, targets: Tensor) -> Tensor:
        each = functional.cross_entropy(
            logits.float(),
            targets,
            weight=self.class_weights,
            label_smoothing=self.levers.smoothing,
            reduction="none",
        )
        return each.sum()


def l1(network: nn.Module) -> Tensor:
    """The sum of the absolute values of all weights that learn, biases and norms left out."""
    return torch.stack(
        [weight.abs().sum() for weight in network.parameters() if weight.ndim > 1 and weight.requires_grad]
    ).sum()


def balanced_weights(labels: NDArray[np.intp], classes: int) -> NDArray[np.float32]:
    """(K,): the less a class's images count the more it has; 1 on average over the images."""
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    weights: NDArray[np.float32] = (len(labels) / (classes * counts)).astype(np.float32)
    return weights
