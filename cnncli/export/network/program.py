"""A network in torch as converters take it: one preprocessed image (1, C, H, W) in, probabilities (1, K) out."""

import contextlib
import io
import json
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from cnncli.errors import CompileError
from cnncli.export.facts import facts_of
from cnncli.export.targets import WriteRequest
from cnncli.networks import zoo
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.zoo.weights import load_saved
from cnncli.records.tasks import AnswerKind, Task, columns_of


class _Classifier(nn.Module):
    """A network followed by softmax, or by what its tasks need."""

    def __init__(self, network: nn.Module, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.network = network
        self.parts = [(part, task.kind) for part, task in zip(columns_of(tasks), tasks, strict=True)]

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities (N, K) of images (N, C, H, W)."""
        logits: Tensor = self.network(images)
        if not self.parts:
            return logits.softmax(1)
        shares = [
            logits[:, part].softmax(1) if kind is AnswerKind.ONE else logits[:, part].sigmoid()
            for part, kind in self.parts
        ]
        return torch.cat(shares, 1)


def classifier(folder: ModelFolder) -> nn.Module:
    """The network of a model folder in torch, in float32, with probabilities.

    Raises:
        CompileError: torch cannot run it.
    """
    if folder.needs_onnx:
        raise CompileError(
            f"{folder.card.name} is {folder.needs_onnx}, which only ONNX Runtime runs",
            "export to ONNX or OpenVINO",
        )
    network = zoo.build(folder.card.architecture)
    load_saved(network, folder.weights)
    return _Classifier(network, folder.card.tasks).float().eval()


def example_image(folder: ModelFolder) -> Tensor:
    """Zeros (1, C, H, W) of the size of the network's input."""
    steps = folder.card.preprocessing
    return torch.zeros(1, steps.channels, *steps.size)


def export_program(folder: ModelFolder) -> ExportedProgram:
    """The network as torch's own exporter writes it."""
    return torch.export.export(classifier(folder), (example_image(folder),))


@contextlib.contextmanager
def explain_conversion(request: WriteRequest) -> Iterator[None]:
    """Turn the errors of a converter into one line, and hide what it prints.

    Raises:
        CompileError: it cannot convert the network.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except (CompileError, OSError, ImportError):
        raise
    except Exception as error:  # converters raise whatever their parts raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        title = request.settings.spec.title
        raise CompileError(
            f"{title}'s converter cannot convert {request.folder.card.name}: {reason}"
        ) from error


def write_facts(request: WriteRequest) -> None:
    """Write class names and preprocessing beside a file, as JSON."""
    facts = facts_of(request.folder, request.license)
    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    request.file.with_suffix(".json").write_text(text, encoding="utf-8")
