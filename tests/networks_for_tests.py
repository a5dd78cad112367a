"""Small real networks whose outputs can be computed by hand."""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from cnncli.networks.model_folder import GRAPH, WEIGHTS, ModelFolder, draft_folder, seal
from cnncli.records.networks import (
    Architecture,
    Compilation,
    Embedding,
    Interpolation,
    ModelCard,
    PackageVersion,
    Preprocessing,
    Resize,
)
from cnncli.records.tasks import AnswerKind, Task

COLOURS = ("red", "green", "blue")
SHARPNESS = 4.0
"""The logits of the colour classifier are the channel means, from 0 to 1, multiplied by this."""


def colour_preprocessing(size: int = 8) -> Preprocessing:
    """Pixels between 0 and 1, without normalisation."""
    return Preprocessing(
        channels=3,
        size=(size, size),
        resize_mode=Resize.SQUASH,
        resize=(size, size),
        interpolation=Interpolation.BILINEAR,
        fill=(0, 0, 0),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
    )


LABELS = (Task("labels", COLOURS, AnswerKind.SEVERAL, (0.6, 0.6, 0.9)),)
"""One task with several answers: which of the three channels are strong; for blue it must be a bit more."""

TASKS = (
    Task("colour", COLOURS, AnswerKind.ONE),
    Task("mood", ("warm", "red", "cold"), AnswerKind.SEVERAL, (0.7, 0.7, 0.7)),
)
"""Two tasks, which both have a class `red`."""

MIXTURE = np.array([[1, 0, 0, 1, 1, -1], [0, 1, 0, 1, -1, 0], [0, 0, 1, -1, -1, 1]], np.float32) * SHARPNESS
"""(3, 6): the logits of `TASKS` are the channel means multiplied by this."""


def colour_card(tasks: Sequence[Task] = ()) -> ModelCard:
    """The model card of the colour classifier, or of one with tasks."""
    class_names = tuple(name for task in tasks for name in task.class_names) or COLOURS
    return ModelCard(
        name="colours",
        architecture=Architecture("timm", "test_resnet", len(class_names)),
        preprocessing=colour_preprocessing(),
        class_names=class_names,
        synsets=None,
        embedding=Embedding(3, "last", gives_logits=True),
        weights_origin="made by hand",
        compilation=Compilation(None, 0.0, 1.0),
        files=(),
        versions=(PackageVersion("cnncli", "0"),),
        tasks=tuple(tasks),
    )


def write_colours(target: Path, tasks: Sequence[Task] = ()) -> Path:
    """Write the colour classifier as a model folder; its logits are the channel means times `SHARPNESS`, or `MIXTURE`."""
    weight = MIXTURE if tasks == TASKS else np.eye(3, dtype=np.float32) * SHARPNESS
    nodes = [
        helper.make_node("ReduceMean", ["images", "axes"], ["embedding"], keepdims=0),
        helper.make_node("MatMul", ["embedding", "weight"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", weight.shape[1]]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 3]),
        ],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    with draft_folder(target) as draft:
        onnx.save(model, draft / GRAPH)
        save_file({"weight": weight}, draft / WEIGHTS)
        seal(draft, colour_card(tasks))
    return target


def write_with_tasks(target: Path, folder: ModelFolder, tasks: Sequence[Task]) -> Path:
    """Write a network whose classes are now those of tasks as a model folder."""
    names = tuple(name for task in tasks for name in task.class_names)
    with draft_folder(target) as draft:
        for facts in folder.card.files:
            shutil.copy(folder.path / facts.name, draft)
        seal(draft, dataclasses.replace(folder.card, name=target.name, class_names=names, tasks=tuple(tasks)))
    return target


def colour_probabilities(rgb: tuple[int, int, int]) -> NDArray[np.float64]:
    """The probabilities that the colour classifier must give for an image of one colour."""
    powers = np.exp(SHARPNESS * np.array(rgb) / 255)
    probabilities: NDArray[np.float64] = powers / powers.sum()
    return probabilities
