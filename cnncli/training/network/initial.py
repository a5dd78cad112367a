"""The network that a training run starts from, with its card."""

import dataclasses

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cnncli.dataclass import frozen_dataclass
from cnncli.engines.heads import LinearHead
from cnncli.errors import CompileError, UsageError
from cnncli.networks import zoo
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.zoo import weights
from cnncli.networks.zoo.embedding import with_embedding
from cnncli.prepare import UntrainedNetwork
from cnncli.records.data import DataSet
from cnncli.records.networks import Architecture, Compilation, Embedding, ModelCard
from cnncli.records.training import Initialization
from cnncli.training.features.replace_head import weights_with_new_head
from cnncli.training.options import TrainingOptions
from cnncli.training.task_scores import with_default_thresholds


@frozen_dataclass
class InitialModel:
    """A network with as many outputs as the data has classes.

    Attributes:
        network: the network, on the CPU.
        card: card of the network that it will become; no file is written yet.
    """

    network: nn.Module
    card: ModelCard

    @property
    def head(self) -> str:
        """Name of the layer that gives the logits."""
        return self.card.embedding.layer

    def drop_auxiliary(self) -> None:
        """Remove torchvision's auxiliary heads, for which a pretrained network has no weights."""
        for name in ("aux1", "aux2", "AuxLogits"):
            if getattr(self.network, name, None) is not None:
                setattr(self.network, name, None)
        if getattr(self.network, "aux_logits", None) is True:
            self.network.aux_logits = False  # type: ignore[assignment]

    def add_dropout(self, probability: float) -> None:
        """Add dropout before the last layer, in addition to the network's own."""

        def drop(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (functional.dropout(inputs[0], probability, layer.training), *inputs[1:])

        self.network.get_submodule(self.head).register_forward_pre_hook(drop)


def from_scratch(
    untrained: UntrainedNetwork, data: DataSet, seed: int, options: TrainingOptions
) -> InitialModel:
    """A network with random weights.

    Args:
        untrained: its architecture and preprocessing.
        data: what it is to learn.
        seed: seed of the weights.
        options: their distribution, the normalisation of pixels, and stochastic depth.

    Raises:
        UsageError: it cannot process images of its input size, has another number of channels than the normalisation, or has
            no residual blocks for stochastic depth.
    """
    architecture = zoo.with_num_classes(untrained.architecture, len(data.class_names))
    preprocessing = untrained.preprocessing
    if options.normalize:
        normalization = options.normalize.for_channels(preprocessing.channels)
        preprocessing = dataclasses.replace(preprocessing, mean=normalization.mean, std=normalization.std)
        architecture = zoo.with_normalization(architecture, options.normalize)
    try:
        network = build(architecture, options.drop_path, seed)
        if options.init is Initialization.GLOROT:
            initialize_glorot(network, seed)
        wrapped = with_embedding(network.eval(), (preprocessing.channels, *preprocessing.size))
    except CompileError as error:
        raise UsageError(
            error.message, "try a larger --img-size; `cnncli summary` shows the sizes of all layers"
        ) from error
    card = ModelCard(
        name=untrained.name,
        architecture=architecture,
        preprocessing=preprocessing,
        class_names=data.class_names,
        tasks=with_default_thresholds(data.tasks),
        synsets=None,
        embedding=Embedding(0, wrapped.layer, gives_logits=False),
        weights_origin="random",
        compilation=Compilation("not compiled yet"),
        files=(),
        versions=(),
    )
    return InitialModel(network, card)


def initialize_glorot(network: nn.Module, seed: int) -> None:
    """Initialise convolutions and linear layers with Keras's defaults: Glorot-uniform weights, and biases of 0."""
    generator = torch.Generator().manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def from_weights(
    folder: ModelFolder, head: LinearHead | None, data: DataSet, drop_path: float
) -> InitialModel:
    """A pretrained network with a new last layer.

    Args:
        folder: the network.
        head: a classifier on its embeddings that becomes this layer; None for weights of 0.
        data: what it is to learn.
        drop_path: stochastic depth rate.

    Raises:
        UsageError: the network has no residual blocks for stochastic depth.
    """
    classes = len(data.class_names)
    zeros = LinearHead(np.zeros((classes, folder.card.embedding.size)), np.zeros(classes))
    new_card = dataclasses.replace(
        folder.card, class_names=data.class_names, tasks=with_default_thresholds(data.tasks)
    )
    tensors, card = weights_with_new_head(folder, head or zeros, new_card)
    network = build(card.architecture, drop_path)
    InitialModel(network, card).drop_auxiliary()
    state: dict[str, Tensor] = {name: torch.from_numpy(value) for name, value in tensors.items()}
    weights.load_into(network, state, str(folder.weights))
    return InitialModel(network, dataclasses.replace(card, synsets=None, metrics=()))


def build(architecture: Architecture, drop_path: float = 0.0, seed: int = 0) -> nn.Module:
    """The network with random weights.

    Raises:
        UsageError: it has no residual blocks for stochastic depth.
    """
    return zoo.build(architecture, seed=seed, drop_path=drop_path)
