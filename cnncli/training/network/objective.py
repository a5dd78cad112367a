"""What a training makes smaller, and what is done to a batch before it is looked at."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cnncli.networks.blueprint.builder import BlueprintNetwork
from cnncli.training.options import TrainingOptions


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
class Mixing:
    """How the images of a step are mixed; the same in all processes.

    Attributes:
        share: of an image in what becomes of it; the rest is its partner's.
        box: top, left, height and width of what is the partner's (CutMix); None where the two are blended (mixup).
        partners: (N,), the place of each image's partner.
    """

    share: float
    box: tuple[int, int, int, int] | None
    partners: NDArray[np.intp]


def mixing(
    numbers: NDArray[np.intp], size: tuple[int, int], levers: TrainingOptions, draws: np.random.Generator
) -> Mixing:
    """Draw how the images of a step are mixed: by mixup, or by CutMix; by one of the two, if both are wanted.

    Args:
        numbers: (N,) of the step's images, in any order: that of N different ones changes nobody's partner.
        size: height and width.
        levers: the alphas.
        draws: where chance comes from.
    """
    cuts = bool(levers.cutmix) and (not levers.mixup or draws.random() < 1 / 2)
    alpha = levers.cutmix if cuts else levers.mixup
    share = float(draws.beta(alpha, alpha))
    order = np.argsort(numbers, kind="stable")
    partners = np.empty_like(order)
    partners[order] = order[draws.permutation(len(order))]
    if not cuts:
        return Mixing(share, None, partners)
    height, width = size
    rows, columns = round(height * (1 - share) ** 0.5), round(width * (1 - share) ** 0.5)
    top, left = int(draws.integers(height - rows + 1)), int(draws.integers(width - columns + 1))
    return Mixing(1 - rows * columns / (height * width), (top, left, rows, columns), partners)


def mixed(images: Tensor, partners: Tensor, how: Mixing) -> Tensor:
    """Images (N, C, H, W), mixed with their partners, which are as many."""
    if how.box is None:
        return how.share * images + (1 - how.share) * partners
    top, left, rows, columns = how.box
    part = (..., slice(top, top + rows), slice(left, left + columns))
    images = images.clone()
    images[part] = partners[part]
    return images


def shares(labels: Tensor, partners: Tensor, classes: int, how: Mixing) -> Tensor:
    """(N, K), how much of each class is in mixed images, of the classes (N,) of both."""
    own, other = (functional.one_hot(indices, classes).float() for indices in (labels, partners))
    return how.share * own + (1 - how.share) * other


@dataclass(frozen=True, slots=True)
class Loss:
    """The sum over a batch of what each image's answer costs.

    Attributes:
        levers: smoothing, distillation, L1.
        class_weights: (K,), or None.
        auxiliary: weights of auxiliary heads' losses.
    """

    levers: TrainingOptions
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
