"""Networks in repositories on the Hugging Face hub, `hf-hub:org/name`, and in folders with the same files.

Beside the weights there is a `config.json`. That of timm has `architecture`, `num_classes`, `model_args`, `label_names`, and the
preprocessing under `pretrained_cfg`; older ones have the entries of `pretrained_cfg` at the top level. That of transformers has
`model_type`, and its preprocessing is in another file.
"""

import contextlib
import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
from timm.models import PretrainedCfg

from cnncli.errors import ModelNotFoundError, WeightsError
from cnncli.networks.downloads import Checkpoint, HubFile, LocalFile, Published
from cnncli.networks.reference import split_hub_name
from cnncli.networks.saved import CONFIG, PROCESSOR, find_weights
from cnncli.networks.zoo.hub import fetch
from cnncli.networks.zoo.offer import Offer
from cnncli.networks.zoo.timm import HUB_FILES, default_arguments, describe
from cnncli.records.progress import Progress
from cnncli.regular_file import read_text
from cnncli.text import parse_json

_MAX_SIDE, _MAX_CLASSES = 16_384, 1_000_000
_SUPPORTED_ARGUMENTS = {"num_classes", "in_chans", "img_size"}
"""Arguments of timm's `create_model` that a model card can store."""
_IRRELEVANT_ARGUMENTS = re.compile(
    r".*drop.*|pretrained.*|cache_dir|scriptable|exportable|no_jit|checkpoint_path"
)
"""Arguments that do not affect inference."""


def offer(name: str, image_size: tuple[int, int] | None, progress: Progress, *, is_offline: bool) -> Offer:
    """The network in a repository.

    Args:
        name: `hf-hub:org/name`, or `hf-hub:org/name@revision`.
        image_size: (height, width) in pixels; None for that of the weights.
        progress: reports downloads.
        is_offline: use the hub's cache only.

    Raises:
        ModelNotFoundError: the name is invalid, or the repository holds no image classifier of timm or transformers.
        WeightsError: the repository is not available.
    """
    repository, revision = split_hub_name(name)
    file = fetch(HubFile(repository, (CONFIG,), revision), progress, is_offline=is_offline)
    document = _document(name, file)
    if not _is_of_transformers(document):
        return _offer_timm(name, document, HubFile(repository, HUB_FILES, revision), image_size)
    commit = file.parent.name  # all files of one commit are in one folder of the hub's cache
    with contextlib.suppress(WeightsError):  # a missing file has a message of its own
        fetch(HubFile(repository, (PROCESSOR,), commit), progress, is_offline=is_offline)
    return _offer_transformers(name, document, Checkpoint(file.parent, repository, commit), image_size)


def folder_offer(folder: Path, image_size: tuple[int, int] | None) -> Offer:
    """The network in a folder that `save_pretrained` of transformers or `save_for_hf` of timm wrote; errors as `offer`."""
    document = _document(str(folder), folder / CONFIG)
    if _is_of_transformers(document):
        return _offer_transformers(str(folder), document, Checkpoint(folder), image_size)
    return _offer_timm(str(folder), document, LocalFile(find_weights(folder)), image_size)


def _is_of_transformers(document: Mapping[str, Any]) -> bool:
    """Whether a config.json describes a network of transformers; its wrapper of timm also writes what timm does."""
    return "architecture" not in document and isinstance(document.get("model_type"), str)


def _offer_transformers(
    name: str, document: Mapping[str, Any], published: Checkpoint, image_size: tuple[int, int] | None
) -> Offer:
    from cnncli.networks.zoo import transformers  # an extra

    return transformers.offer(name, document, published, image_size)


def _offer_timm(
    name: str, document: Mapping[str, Any], published: Published, image_size: tuple[int, int] | None
) -> Offer:
    config = _config(name, document)
    if not isinstance(config.architecture, str) or not timm.is_model(config.architecture):
        raise ModelNotFoundError(
            f"{name} holds no timm network: its {CONFIG} names the architecture {config.architecture!r}",
            "networks of timm and of transformers are supported",
        )
    own_size = _own_size(name, document)
    try:
        return describe(name, config.architecture, config, published, image_size, own_size)
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        raise _invalid_config(name, error) from error


def _invalid_config(name: str, error: object) -> ModelNotFoundError:
    return ModelNotFoundError(f"the {CONFIG} of {name} is invalid: {error}")


def _document(name: str, file: Path) -> Mapping[str, Any]:
    try:
        document = parse_json(read_text(file))
    except ValueError as error:
        raise ModelNotFoundError(f"the {CONFIG} of {name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ModelNotFoundError(f"the {CONFIG} of {name} is not an object")
    return document


def _config(name: str, document: Mapping[str, Any]) -> PretrainedCfg:
    """Timm's configuration of the weights; top-level entries take precedence over those in `pretrained_cfg`."""
    for field, kind in (("pretrained_cfg", dict), ("model_args", dict), ("label_descriptions", dict)):
        if not isinstance(document.get(field, {}), kind | None):
            raise _invalid_config(name, f"{field} is not an object")
    arguments = _arguments(name, document)
    values = {**(document.get("pretrained_cfg") or document)}
    for field in ("architecture", "num_classes", "label_names", "label_descriptions"):
        if document.get(field) is not None:
            values[field] = document[field]
    if "num_classes" in arguments:
        values["num_classes"] = arguments["num_classes"]
    values["label_names"] = _label_names(name, values.get("label_names"))
    fields = {field.name for field in dataclasses.fields(PretrainedCfg)}
    try:
        config = PretrainedCfg(**{field: value for field, value in values.items() if field in fields})
        _, height, width = map(int, config.input_size)
        config.input_size = (int(arguments.get("in_chans", config.input_size[0])), height, width)
    except (TypeError, ValueError) as error:
        raise _invalid_config(name, error) from error
    sides_fit = all(0 < side <= _MAX_SIDE for side in (height, width))
    if not (sides_fit and type(config.num_classes) is int and 0 <= config.num_classes <= _MAX_CLASSES):
        raise _invalid_config(name, f"{config.num_classes!r} classes, images of {height} x {width} pixels")
    return config


def _label_names(name: str, names: object) -> list[str] | None:
    """Class names in the order of the logits; None where there are none."""
    try:
        if isinstance(names, dict):  # by index, as text
            names = [names[index] for index in sorted(names, key=int)]
    except ValueError as error:
        raise _invalid_config(name, error) from error
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(label, str) for label in names):
        raise _invalid_config(name, "label_names is not a list of names")
    return names


def _arguments(name: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    arguments = {
        argument: value
        for argument, value in (document.get("model_args") or {}).items()
        if not _IRRELEVANT_ARGUMENTS.fullmatch(argument)
    }
    unsupported = sorted(arguments.keys() - _SUPPORTED_ARGUMENTS)
    if unsupported and timm.is_model(str(document.get("architecture"))):
        own = default_arguments(str(document["architecture"]))
        unsupported = [item for item in unsupported if item not in own or own[item] != arguments[item]]
    if unsupported:
        values = ", ".join(f"{argument}={arguments[argument]!r}" for argument in unsupported)
        raise ModelNotFoundError(f"{name} was built with {values}, which this version does not support")
    return arguments


def _own_size(name: str, document: Mapping[str, Any]) -> tuple[int, int] | None:
    """The `img_size` argument that the architecture was built with; None where there was none."""
    match _arguments(name, document).get("img_size"):
        case None:
            return None
        case int(side):
            return side, side
        case [int(height), int(width)]:
            return height, width
        case other:
            raise ModelNotFoundError(f"{name} was built for {other!r}, which is not an image size")
