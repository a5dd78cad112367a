"""The network that a training begins with, and its card."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cnncli.engines.heads import LinearHead
from cnncli.errors import CompileError, UsageError
from cnncli.networks import weights, zoo
from cnncli.networks.embedding import with_embedding
from cnncli.networks.model_folder import ModelFolder
from cnncli.prepare import UntrainedNetwork
from cnncli.records.networks import Architecture, Compilation, Embedding, ModelCard
from cnncli.training.features.replace_head import headed


@dataclass(frozen=True, slots=True)
class InitialModel:
    """A network with as many classes as the data has.

    Attributes:
        network: on the CPU.
        card: of what it will be; its files are not written yet.
    """

    network: nn.Module
    card: ModelCard

    @property
    def head(self) -> str:
        """The name of the layer that gives the logits."""
        return self.card.embedding.layer

    def drop_auxiliary(self) -> None:
        """Take torchvision's auxiliary heads off a network that is trained further: nobody has weights for them."""
        for name in ("aux1", "aux2", "AuxLogits"):
            if getattr(self.network, name, None) is not None:
                setattr(self.network, name, None)
        if getattr(self.network, "aux_logits", None) is True:
            self.network.aux_logits = False  # type: ignore[assignment]

    def add_dropout(self, probability: float) -> None:
        """Drop what enters the last layer, beside whatever the network drops by itself."""

        def drop(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (functional.dropout(inputs[0], probability, layer.training), *inputs[1:])

        self.network.get_submodule(self.head).register_forward_pre_hook(drop)


def from_scratch(
    found: UntrainedNetwork, class_names: tuple[str, ...], seed: int, drop_path: float
) -> InitialModel:
    """A network with random weights.

    Raises:
        UsageError: it does not run on images of that size, or has no drop path.
    """
    architecture = zoo.for_classes(found.architecture, len(class_names))
    network = build(architecture, drop_path, seed)
    how = found.preprocessing
    try:
        wrapped = with_embedding(network.eval(), (how.channels, *how.size))
    except CompileError as error:
        raise UsageError(
            error.message, "try a larger --img-size; `cnncli summary` says what is needed"
        ) from error
    card = ModelCard(
        name=found.name,
        architecture=architecture,
        preprocessing=how,
        class_names=class_names,
        synsets=None,
        embedding=Embedding(0, wrapped.layer, gives_logits=False),
        weights_origin="random",
        compilation=Compilation("not compiled yet"),
        files=(),
        versions=(),
    )
    return InitialModel(network, card)


def from_weights(
    folder: ModelFolder, head: LinearHead | None, class_names: tuple[str, ...], drop_path: float
) -> InitialModel:
    """A prepared network with another last layer.

    Args:
        folder: the network.
        head: a classifier on its embeddings that becomes that layer; None for one that knows nothing.
        class_names: K.
        drop_path: as `build` takes it.

    Raises:
        UsageError: the network has no drop path.
    """
    nothing = LinearHead(np.zeros((len(class_names), folder.card.embedding.size)), np.zeros(len(class_names)))
    tensors, card = headed(folder, head or nothing, dataclasses.replace(folder.card, class_names=class_names))
    network = build(card.architecture, drop_path)
    InitialModel(network, card).drop_auxiliary()
    loaded: dict[str, Tensor] = {name: torch.from_numpy(value) for name, value in tensors.items()}
    weights.load_into(network, loaded, str(folder.weights))
    return InitialModel(network, dataclasses.replace(card, synsets=None, metrics=()))


def build(architecture: Architecture, drop_path: float = 0.0, seed: int = 0) -> nn.Module:
    """The network with random weights.

    Raises:
        UsageError: it has no drop path.
    """
    return zoo.build(architecture, seed=seed, drop_path=drop_path)
