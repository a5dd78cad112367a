"""What training minimises, and what counts as correct. Every loss is defined here."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cnncli.networks.zoo.blueprint_builder import BlueprintNetwork
from cnncli.records.networks import Preprocessing
from cnncli.training.network.rng import Indices
from cnncli.training.network.teacher import Teacher
from cnncli.training.options import TrainingOptions

NetworkOutput = Tensor | tuple[Tensor, ...]
"""Logits (N, K), followed by those of auxiliary heads where a network has some."""


@dataclass(frozen=True, slots=True)
class Objective:
    """The loss of a batch.

    Attributes:
        options: label smoothing, distillation, L1.
        preprocessing: preprocessing of the images; the teacher's may differ.
        class_weights: (K,), weight of an image of each class; None for 1.
        auxiliary_weights: weights of the losses of auxiliary heads.
        teacher: the network whose logits are matched; None without distillation.
    """

    options: TrainingOptions
    preprocessing: Preprocessing
    class_weights: Tensor | None
    auxiliary_weights: tuple[float, ...]
    teacher: Teacher | None

    def loss(self, outputs: NetworkOutput, targets: Tensor, images: Tensor) -> Tensor:
        """The loss, summed over N images.

        Args:
            outputs: the network's outputs.
            targets: classes (N,), or their shares (N, K).
            images: (N, C, H, W), for the teacher.
        """
        logits, *auxiliary = outputs if isinstance(outputs, tuple) else (outputs,)
        loss = self._cross_entropy(logits, targets)
        if self.teacher:
            weight = self.options.kd_weight
            distance = self._distillation(logits, self.teacher.logits(images, self.preprocessing))
            loss = (1 - weight) * loss + weight * self.options.kd_temperature**2 * distance
        for other, weight in zip(auxiliary, self.auxiliary_weights, strict=True):
            loss = loss + weight * self._cross_entropy(other, targets)
        return loss

    def correct(self, outputs: NetworkOutput, targets: Tensor) -> Tensor:
        """How many of N images have the largest logit at their class, or at the class with the largest share."""
        logits = outputs[0] if isinstance(outputs, tuple) else outputs
        classes = targets if targets.ndim == 1 else targets.argmax(dim=1)
        return count_correct(logits, classes)

    def _cross_entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        losses = functional.cross_entropy(
            logits.float(),
            targets,
            weight=self.class_weights,
            label_smoothing=self.options.smoothing,
            reduction="none",
        )
        return losses.sum()

    def _distillation(self, logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """Kullback-Leibler divergence at the distillation temperature (Hinton et al., 2015)."""
        temperature = self.options.kd_temperature
        return functional.kl_div(
            functional.log_softmax(logits / temperature, dim=1),
            functional.log_softmax(teacher_logits / temperature, dim=1),
            reduction="sum",
            log_target=True,
        )

    def add_l1(self, loss: Tensor, network: nn.Module) -> Tensor:
        """The loss with the L1 penalty of a network's weights."""
        return loss + self.options.l1 * l1_norm(network) if self.options.l1 else loss


def sum_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The plain cross-entropy, summed over N images, of logits (N, K) and classes (N,): the loss of validation."""
    return functional.cross_entropy(logits, labels, reduction="sum")


def count_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """How many of N images have their largest logit (N, K) at their class (N,)."""
    return (logits.argmax(dim=1) == labels).sum()


def l1_norm(network: nn.Module) -> Tensor:
    """The sum of the absolute values of all trainable weights, without biases and norm layers."""
    return torch.stack(
        [weight.abs().sum() for weight in network.parameters() if weight.ndim > 1 and weight.requires_grad]
    ).sum()


def auxiliary_weights(network: nn.Module) -> tuple[float, ...]:
    """Weights of the losses of a network's auxiliary heads, relative to the main loss; empty if it has none.

    0.3 for GoogLeNet (Szegedy et al., 2014) and 0.4 for Inception v3, as in torchvision's training.
    """
    if isinstance(network, BlueprintNetwork):
        return network.loss_weights
    if getattr(network, "aux1", None) is not None:
        return (0.3, 0.3)
    return (0.4,) if getattr(network, "AuxLogits", None) is not None else ()


def balanced_weights(labels: Indices, classes: int) -> NDArray[np.float32]:
    """(K,) weights, inversely proportional to the number of a class's images; 1 on average over the images."""
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    weights: NDArray[np.float32] = (len(labels) / (classes * counts)).astype(np.float32)
    return weights
