"""What training minimises: the loss of the labels (`criteria`), and what is added to it."""

import torch
from torch import Tensor, nn

from cnncli.dataclass import frozen_dataclass
from cnncli.networks.zoo.blueprint_builder import BlueprintNetwork
from cnncli.records.networks import Preprocessing
from cnncli.training.network.criteria import Criterion
from cnncli.training.network.teacher import Teacher
from cnncli.training.options import TrainingOptions

NetworkOutput = Tensor | tuple[Tensor, ...]
"""Logits (N, K), followed by those of auxiliary heads where a network has some."""


@frozen_dataclass
class Objective:
    """The loss of a batch.

    Attributes:
        options: distillation, L1.
        preprocessing: preprocessing of the images; the teacher's may differ.
        criterion: the loss of the labels.
        auxiliary_weights: weights of the losses of auxiliary heads.
        teacher: the network whose logits are matched; None without distillation.
    """

    options: TrainingOptions
    preprocessing: Preprocessing
    criterion: Criterion
    auxiliary_weights: tuple[float, ...]
    teacher: Teacher | None

    def loss(self, outputs: NetworkOutput, targets: Tensor, images: Tensor) -> Tensor:
        """The loss, summed over N images.

        Args:
            outputs: the network's outputs.
            targets: labels, as the criterion takes them.
            images: (N, C, H, W), for the teacher.
        """
        logits, *auxiliary = outputs if isinstance(outputs, tuple) else (outputs,)
        loss = self.criterion.loss(logits, targets)
        if self.teacher:
            weight, temperature = self.options.kd_weight, self.options.kd_temperature
            teacher_logits = self.teacher.logits(images, self.preprocessing)
            distance = self.criterion.distance(logits, teacher_logits, temperature)
            loss = (1 - weight) * loss + weight * temperature**2 * distance
        for other, weight in zip(auxiliary, self.auxiliary_weights, strict=True):
            loss = loss + weight * self.criterion.loss(other, targets)
        return loss

    def correct(self, outputs: NetworkOutput, targets: Tensor) -> Tensor:
        """How many of N images are answered correctly."""
        logits = outputs[0] if isinstance(outputs, tuple) else outputs
        return self.criterion.correct(logits, targets)

    def add_l1(self, loss: Tensor, network: nn.Module) -> Tensor:
        """The loss with the L1 penalty of a network's weights."""
        return loss + self.options.l1 * l1_norm(network) if self.options.l1 else loss


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
