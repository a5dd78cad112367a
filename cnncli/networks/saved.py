"""Folders as `save_pretrained` of transformers and `save_for_hf` of timm write them: config.json, weights, preprocessing.

Repositories on the Hugging Face hub have the same files.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from cnncli.errors import WeightsError
from cnncli.records.networks import CARD
from cnncli.regular_file import read_text
from cnncli.text import parse_json

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"

WEIGHTS_FILES = ("model.safetensors", "pytorch_model.bin")
"""Names of weights files, the safe format first."""

GRAPH = "model.onnx"
"""Optimum's name for the network as ONNX, instead of weights."""

_INDEX = ".index.json"
"""Suffix of the list of a weights file's parts, if there are several."""

CHECKPOINT_FILES = tuple(name + suffix for name in WEIGHTS_FILES for suffix in ("", _INDEX))
"""Names of what leads to all weights: a file, or a list of parts."""


def is_saved_network(path: Path) -> bool:
    """Whether a path is a folder with a config.json that is not a model folder of cnncli."""
    return os.path.isfile(path / CONFIG) and not os.path.isfile(path / CARD)  # noqa: PTH113 - a name may be too long


def identifying_files(folder: Path) -> Iterator[Path]:
    """The files that decide what the network is."""
    for name in (CONFIG, PROCESSOR, *CHECKPOINT_FILES):
        if (file := folder / name).is_file():
            yield file
    yield from sorted(folder.glob(f"{GRAPH}*"))


def has_only_graph(folder: Path) -> bool:
    """Whether a folder has the network as ONNX, as optimum writes it, and no weights."""
    return (folder / GRAPH).is_file() and not any((folder / name).is_file() for name in CHECKPOINT_FILES)


def part_names(file: Path) -> list[str]:
    """The names of the files with the weights: the file itself, or the parts that it lists.

    Raises:
        WeightsError: the list is damaged, or names a file in another folder.
    """
    if not file.name.endswith(_INDEX):
        return [file.name]
    try:
        parts = parse_json(read_text(file))["weight_map"].values()
        names = sorted({str(part) for part in parts})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{file} is damaged: it lists no files") from error
    if strange := [name for name in names if os.path.basename(name) != name or name in {"", ".", ".."}]:  # noqa: PTH119
        raise WeightsError(f"{file} is unsafe: it names {strange[0]!r}, a file in another folder")
    return names


def find_weights(folder: Path) -> Path:
    """The file that leads to the weights in a folder.

    Raises:
        WeightsError: there is none.
    """
    for name in CHECKPOINT_FILES:
        if (file := folder / name).is_file():
            return file
    raise WeightsError(f"{folder} has no {' and no '.join(WEIGHTS_FILES)}")
