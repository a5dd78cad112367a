"""A network of timm's in somebody's own repository on the Hugging Face hub: `hf-hub:org/name`.

Such a repository has, beside the weights, a `config.json` in which timm says what they are weights of:
`architecture`, `num_classes`, `model_args`, `label_names`, and under `pretrained_cfg` how images are prepared.
Older ones have the last one's entries at the top.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
from timm.models import PretrainedCfg

from cnncli.errors import ModelNotFoundError
from cnncli.networks.downloads import HubFile
from cnncli.networks.hub import fetch
from cnncli.networks.reference import HUB
from cnncli.networks.zoo.offer import Offer
from cnncli.networks.zoo.timm import HUB_FILES, describe
from cnncli.records.progress import Progress

_CONFIG = "config.json"
_LARGEST_SIDE, _MOST_CLASSES = 16_384, 1_000_000
_UNDERSTOOD = {"num_classes", "in_chans", "img_size"}
"""Arguments of timm's `create_model` that a model card has a place for."""
_WITHOUT_EFFECT = re.compile(r".*drop.*|pretrained.*|cache_dir|scriptable|exportable|no_jit|checkpoint_path")
"""Arguments that change nothing of a network that only predicts."""


def offer(name: str, image_size: tuple[int, int] | None, progress: Progress, *, is_offline: bool) -> Offer:
    """What a repository holds.

    Args:
        name: `hf-hub:org/name`, or `hf-hub:org/name@revision`.
        image_size: (height, width) in pixels, where it should differ from the weights' own.
        progress: hears of downloads.
        is_offline: use what is in the hub's cache.

    Raises:
        ModelNotFoundError: the name is none, or the repository holds no network of timm.
        WeightsError: the repository cannot be had.
    """
    match = re.fullmatch(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", name.removeprefix(HUB))
    if not match:
        raise ModelNotFoundError(f"{name} is no repository of the hub", f"write {HUB}org/name")
    repository, revision = match[1], match[2]
    file = fetch(HubFile(repository, (_CONFIG,), revision), progress, is_offline=is_offline)
    document = _document(name, file)
    config = _config(name, document)
    if not isinstance(config.architecture, str) or not timm.is_model(config.architecture):
        raise ModelNotFoundError(
            f"{name} holds no network of timm: its {_CONFIG} names the architecture {config.architecture!r}",
            "networks of other libraries on the hub cannot be read",
        )
    published = HubFile(repository, HUB_FILES, revision)
    own_size = _own_size(name, document)
    try:
        return describe(name, config.architecture, config, published, image_size, own_size)
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        raise _strange(name, error) from error


def _strange(name: str, error: object) -> ModelNotFoundError:
    return ModelNotFoundError(f"the {_CONFIG} of {name} is not as timm writes it: {error}")


def _document(name: str, file: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelNotFoundError(f"the {_CONFIG} of {name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ModelNotFoundError(f"the {_CONFIG} of {name} is not an object")
    return document


def _config(name: str, document: Mapping[str, Any]) -> PretrainedCfg:
    """As timm keeps it within itself; what stands at the top of the document counts more than what stands within."""
    for field, kind in (("pretrained_cfg", dict), ("model_args", dict), ("label_descriptions", dict)):
        if not isinstance(document.get(field, {}), kind | None):
            raise _strange(name, f"{field} is no object")
    arguments = _arguments(name, document)
    values = {**(document.get("pretrained_cfg") or document)}
    for field in ("architecture", "num_classes", "label_names", "label_descriptions"):
        if document.get(field) is not None:
            values[field] = document[field]
    if "num_classes" in arguments:
        values["num_classes"] = arguments["num_classes"]
    values["label_names"] = _label_names(name, values.get("label_names"))
    known = {field.name for field in dataclasses.fields(PretrainedCfg)}
    try:
        config = PretrainedCfg(**{field: value for field, value in values.items() if field in known})
        _, height, width = map(int, config.input_size)
        config.input_size = (int(arguments.get("in_chans", config.input_size[0])), height, width)
    except (TypeError, ValueError) as error:
        raise _strange(name, error) from error
    sides_fit = all(0 < side <= _LARGEST_SIDE for side in (height, width))
    if not (sides_fit and type(config.num_classes) is int and 0 <= config.num_classes <= _MOST_CLASSES):
        raise _strange(name, f"{config.num_classes!r} classes, images of {height} x {width} pixels")
    return config


def _label_names(name: str, names: object) -> list[str] | None:
    """Names in the order of the logits; None where there are none."""
    try:
        if isinstance(names, dict):  # by index, which JSON makes text
            names = [names[index] for index in sorted(names, key=int)]
    except ValueError as error:
        raise _strange(name, error) from error
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(label, str) for label in names):
        raise _strange(name, "label_names is no list of names")
    return names


def _arguments(name: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    given = {
        argument: value
        for argument, value in (document.get("model_args") or {}).items()
        if not _WITHOUT_EFFECT.fullmatch(argument)
    }
    if strange := sorted(given.keys() - _UNDERSTOOD):
        raise ModelNotFoundError(
            f"{name} was built with {', '.join(f'{argument}={given[argument]!r}' for argument in strange)}, "
            "which this version cannot repeat",
        )
    return given


def _own_size(name: str, document: Mapping[str, Any]) -> tuple[int, int] | None:
    """The image size that the architecture was built for, where it was told one."""
    match _arguments(name, document).get("img_size"):
        case None:
            return None
        case int(side):
            return side, side
        case [int(height), int(width)]:
            return height, width
        case other:
            raise ModelNotFoundError(f"{name} was built for the image size {other!r}, which is none")
