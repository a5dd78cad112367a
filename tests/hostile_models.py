"""Hostile model folders, blueprints and ONNX files; as `tests.hostile`."""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cnncli.networks.model_folder import GRAPH, WEIGHTS, sha256
from cnncli.records.networks import CARD
from tests.hostile import write_sparse


def _change_card(**changes: Any) -> Callable[[Path], None]:
    """A change of fields of the card, which may be nested: `preprocessing={"size": …}`."""

    def change(folder: Path) -> None:
        card = json.loads((folder / CARD).read_text())
        for name, value in changes.items():
            card[name] = card[name] | value if isinstance(value, dict) else value
        (folder / CARD).write_text(json.dumps(card))

    return change


def _write_card(text: str | bytes) -> Callable[[Path], None]:
    content = text if isinstance(text, bytes) else text.encode()

    def change(folder: Path) -> None:
        (folder / CARD).write_bytes(content)

    return change


def _replace_graph(graph: onnx.ModelProto | bytes) -> Callable[[Path], None]:
    """Another graph, whose size and digest the card knows."""
    content = graph if isinstance(graph, bytes) else graph.SerializeToString()

    def change(folder: Path) -> None:
        (folder / GRAPH).write_bytes(content)
        facts = [
            {"name": name, "bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)}
            for name in (WEIGHTS, GRAPH)
        ]
        _change_card(files=facts)(folder)

    return change


def _graph(
    nodes: Sequence[onnx.NodeProto],
    *,
    image: str = "images",
    shape: Sequence[int | str] = ("N", 3, 8, 8),
    kind: int = TensorProto.FLOAT,
    outputs: Sequence[str] = ("logits", "embedding"),
    constants: Mapping[str, NDArray[Any]] = {},
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info(image, kind, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _identities(
    image: str = "images", outputs: Sequence[str] = ("logits", "embedding")
) -> list[onnx.NodeProto]:
    return [helper.make_node("Identity", [image], [name]) for name in outputs]


def _huge_graph() -> onnx.ModelProto:
    """A graph of 300 bytes that asks for 4 TB."""
    nodes = [helper.make_node("ConstantOfShape", ["shape"], ["huge"])]
    nodes += [helper.make_node("Add", ["huge", "images"], [name]) for name in ("logits", "embedding")]
    return _graph(nodes, constants={"shape": np.array([1 << 20, 1 << 20, 8, 8], np.int64)})


def _external_graph() -> onnx.ModelProto:
    """A graph whose weights lie in another file."""
    model = _graph(_identities(), constants={"weight": np.zeros(9, np.float32)})
    (tensor,) = model.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "../../precious/diary.txt"), ("length", "9")):
        tensor.external_data.add(key=key, value=value)
    model.graph.node[0].input[0] = "weight"
    return model


def _link_card(folder: Path) -> None:
    (folder / CARD).unlink()
    (folder / CARD).symlink_to("/dev/zero")


def _blank_graph(folder: Path) -> None:
    (folder / GRAPH).write_bytes(bytes((folder / GRAPH).stat().st_size))


def _pipe_graph(folder: Path) -> None:
    (folder / GRAPH).unlink()
    os.mkfifo(folder / GRAPH)


MODELS: dict[str, Callable[[Path], None]] = {
    "large input": _change_card(preprocessing={"size": [50_000, 50_000], "resize": [50_000, 50_000]}),
    "other input": _change_card(preprocessing={"size": [9, 7], "resize": [9, 7]}),
    "infinite": _change_card(preprocessing={"std": [1e999, 1.0, 1.0]}),
    "zero std": _change_card(preprocessing={"std": [0.0, 1.0, 1.0]}),
    "negative size": _change_card(preprocessing={"size": [-8, 8]}),
    "wrong type": _change_card(preprocessing={"channels": "3"}),
    "escape": _change_card(name="\x1b]0;title\x07", class_names=["\x1b[31mred", "new\nline", "\x9b2J"]),
    "same classes": _change_card(class_names=["red", "red", "red"]),
    "few classes": _change_card(class_names=["red"]),
    "many classes": _change_card(architecture={"num_classes": 10**15}),
    "path as a name": _change_card(name="../../precious"),
    "later schema": _change_card(schema=10**6),
    "embedding": _change_card(embedding={"size": 10**12}),
    "folder as architecture": _change_card(architecture={"name": "local-dir:../../precious"}),
    "torchvision": _change_card(architecture={"library": "torchvision", "name": "../x"}),
    "architecture": _change_card(architecture={"name": "../../../x", "num_classes": 3}),
    "library": _change_card(architecture={"library": "os", "name": "system"}),
    "blueprint": _change_card(architecture={"library": "blueprint", "blueprint": "input 3x9999999999x2"}),
    "nul": _change_card(files=[{"name": "model.onnx\0", "bytes": 1, "sha256": "0"}]),
    "deep card": _write_card("[" * 100_000),
    "utf16 card": _write_card("{}".encode("utf-16")),
    "bom card": _write_card(b"\xef\xbb\xbf{}"),
    "list card": _write_card("[]"),
    "surrogate": _write_card('{"name": "\\ud800", "schema": 3}'),
    "long number": _write_card("9" * 100_000),
    "zeros as a card": _link_card,
    "pipe as a graph": _pipe_graph,
    "text as a graph": _replace_graph(b"not a graph"),
    "empty graph": _replace_graph(b""),
    "changed graph": _blank_graph,
    "input name": _replace_graph(_graph(_identities("x"), image="x")),
    "output names": _replace_graph(_graph(_identities(outputs=("a", "b")), outputs=("a", "b"))),
    "input rank": _replace_graph(_graph(_identities(), shape=("N", 3))),
    "output rank": _replace_graph(_graph(_identities())),
    "input type": _replace_graph(
        _graph(
            [helper.make_node("Cast", ["images"], [name], to=1) for name in ("logits", "embedding")], kind=7
        )
    ),
    "huge": _replace_graph(_huge_graph()),
    "external weights": _replace_graph(_external_graph()),
}
"""What is wrong with a model folder, and how to make it so."""


def write_models(folder: Path, sound: Path) -> None:
    """Write a copy of a sound model folder for each of `MODELS`."""
    for name, change in MODELS.items():
        change(Path(shutil.copytree(sound, folder / name)))


def write_networks(folder: Path) -> None:
    """Write blueprints, and ONNX files as `export` writes them."""
    folder.mkdir(parents=True)
    texts = {
        "large.cnn": "input 3x99999x99999\nconv3-64\nFC-10\n",
        "wide.cnn": "input 3x8x8\nFC-999999999999\n",
        "deep.cnn": "input 3x8x8\n" + "(" * 5_000 + "\n",
        "repeat.cnn": "input 3x8x8\n" + "conv3-8\n" * 20_000 + "FC-3\n",
        "words.cnn": "input 3x8x8\n\x1b[31mconv\n",
        "numbers.cnn": f"input 3x8x8\nconv{'9' * 5_000}-8\n",
        "empty.cnn": "",
        "nul.cnn": "input 3x8x8\0\nFC-3\n",
        "text.onnx": "not a graph",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "utf16.cnn").write_bytes("input 3x8x8\nFC-3\n".encode("utf-16"))
    (folder / "latin.cnn").write_bytes(b"input 3x8x8 # caf\xe9\nFC-3\n")
    cards = {"no card": None, "list card": "[]", "deep card": "[" * 100_000, "empty card": "{}"}
    for name, card in cards.items():
        model = _graph(_identities())
        helper.set_model_props(model, {} if card is None else {"cnncli_card": card})
        onnx.save(model, folder / f"{name}.onnx")
    for ending in ("cnn", "onnx"):
        write_sparse(folder / f"sparse.{ending}")
        (folder / f"zeros.{ending}").symlink_to("/dev/zero")
        os.mkfifo(folder / f"pipe.{ending}")
