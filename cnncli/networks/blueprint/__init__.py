"""Blueprints: networks in the notation of the papers.

`parser` turns a text into a `tree`, `shapes` checks whether its layers fit together, and `writer` turns it back into text. None
of them needs torch; `zoo.blueprint_builder` builds a torch module from the tree.
"""

import dataclasses
import hashlib
from pathlib import Path

from cnncli.errors import BlueprintError, ModelNotFoundError, UsageError
from cnncli.networks.blueprint import shapes
from cnncli.networks.blueprint.parser import parse
from cnncli.networks.blueprint.tree import Auxiliary, Blueprint, Convolution, Linear, Steps, last_weight_layer
from cnncli.networks.blueprint.writer import to_text
from cnncli.networks.normalization import Normalization
from cnncli.networks.reference import BLUEPRINT, is_blueprint_text
from cnncli.regular_file import read_document
from cnncli.text import decode_text

_SHIPPED = Path(__file__).with_name("shipped")
_MAX_FILE_BYTES = 10_000_000


def names() -> list[str]:
    """The names of the blueprints that come with cnncli."""
    return sorted(file.stem for file in _SHIPPED.glob(f"*{BLUEPRINT}"))


def is_blueprint(name: str) -> bool:
    """Whether this is the name of a shipped blueprint, the path of a blueprint file, or the text of a blueprint."""
    return name in names() or name.endswith(BLUEPRINT) or is_blueprint_text(name)


def read_text(name: str) -> str:
    """The text of a blueprint.

    Args:
        name: of a shipped blueprint, path of a file, or the text itself.

    Raises:
        ModelNotFoundError: there is no such blueprint.
        BlueprintError: the file is too large, or not a text file.
    """
    if is_blueprint_text(name):
        return name
    if not is_blueprint(name):
        raise ModelNotFoundError(f"{name} is not a blueprint", f"blueprints: {', '.join(names())}")
    file = _SHIPPED / f"{name}{BLUEPRINT}" if name in names() else Path(name)
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise BlueprintError(f"{file} is too large for a blueprint")
        return decode_text(read_document(file))
    except OSError as error:
        raise ModelNotFoundError(
            f"cannot read the blueprint {name}: {error.strerror}", f"blueprints: {', '.join(names())}"
        ) from error
    except UnicodeDecodeError as error:
        raise BlueprintError(f"the blueprint {name} is not UTF-8 text") from error


def find(name: str, image_size: tuple[int, int] | None = None) -> Blueprint:
    """The tree of a blueprint.

    Args:
        name: of a shipped blueprint, path of a file, or the text itself.
        image_size: (height, width) in pixels instead of the size in the text.

    Raises:
        ModelNotFoundError: there is no such blueprint.
        BlueprintError: a syntax error; the message begins with the line.
        UsageError: an image size for a blueprint whose input is not an image.
    """
    tree = parse(read_text(name))
    if image_size is None:
        return tree
    channels, *size = tree.input
    if len(size) != len(image_size):
        raise UsageError(
            f"the input of this blueprint is {shapes.input_text(tree.input)}, not an image", "omit --img-size"
        )
    return dataclasses.replace(tree, input=(channels, *image_size))


def find_for_images(name: str, image_size: tuple[int, int] | None = None) -> Blueprint:
    """The tree of a blueprint whose input is an image with 1 or 3 channels; arguments and errors as `find`.

    Raises:
        UsageError: its input is something else.
    """
    tree = find(name, image_size)
    channels, *sides = tree.input
    if channels not in {1, 3} or len(sides) != 2:  # noqa: PLR2004 - height and width
        raise UsageError(
            f"the input of this network is {shapes.input_text(tree.input)}, not an image with 1 or 3 channels",
            "only `cnncli summary` works with it",
        )
    return tree


def with_num_classes(text: str, num_classes: int) -> str:
    """The text of a blueprint with another number of classes, also for its auxiliary heads.

    Raises:
        BlueprintError: the network does not end with a weight layer that gives the logits.
    """
    tree = parse(text)
    return to_text(dataclasses.replace(tree, steps=_with_num_classes(tree.steps, num_classes)))


def _with_num_classes(steps: Steps, num_classes: int) -> Steps:
    last = last_weight_layer(steps)
    if last is None:
        raise BlueprintError("the network does not end with a layer whose width is the number of classes")
    changed = list(steps)
    for index, step in enumerate(steps):
        if isinstance(step, Auxiliary):
            changed[index] = dataclasses.replace(step, body=_with_num_classes(step.body, num_classes))
        elif index == last and isinstance(step, Linear):
            changed[index] = dataclasses.replace(step, out_features=num_classes)
        elif index == last and isinstance(step, Convolution):
            changed[index] = dataclasses.replace(step, out_channels=num_classes)
    return tuple(changed)


def with_normalization(text: str, normalization: Normalization) -> str:
    """The text of a blueprint with another normalisation of pixels."""
    return to_text(dataclasses.replace(parse(text), normalization=normalization))


def notation() -> str:
    """The help text on the notation."""
    return Path(__file__).with_name("notation.txt").read_text(encoding="utf-8")


def network_name(name: str) -> str:
    """The name of a network built from a blueprint: a shipped one's own name, else with a digest of the text."""
    if name in names():
        return name
    digest = hashlib.sha256(read_text(name).encode()).hexdigest()[:8]
    return f"{'blueprint' if is_blueprint_text(name) else Path(name).stem}-{digest}"
