"""Networks in the notation of the papers: found, read, checked, written, built.

`parser` makes a `tree` of a text, `shapes` sees whether it fits together, `builder` makes it an ordinary torch module,
`writer` makes it a text again. Only the builder needs torch.
"""

import dataclasses
import hashlib
from pathlib import Path

from cnncli.errors import BlueprintError, ModelNotFoundError, UsageError
from cnncli.networks.blueprint import shapes
from cnncli.networks.blueprint.parser import parse
from cnncli.networks.blueprint.tree import Auxiliary, Blueprint, Convolution, Linear, Steps
from cnncli.networks.blueprint.writer import written
from cnncli.networks.reference import BLUEPRINT, is_blueprint_text

_SHIPPED = Path(__file__).with_name("shipped")
_LARGEST_FILE = 10_000_000


def names() -> list[str]:
    """The blueprints that come with cnncli."""
    return sorted(file.stem for file in _SHIPPED.glob(f"*{BLUEPRINT}"))


def is_blueprint(name: str) -> bool:
    """Whether a name is that of a shipped blueprint, a file's, or a blueprint's own text."""
    return name in names() or name.endswith(BLUEPRINT) or is_blueprint_text(name)


def text(name: str) -> str:
    """The text that a name stands for.

    Raises:
        ModelNotFoundError: it stands for none.
        BlueprintError: the file is no text.
    """
    if is_blueprint_text(name):
        return name
    if not is_blueprint(name):
        raise ModelNotFoundError(f"{name} is no blueprint", f"there are {', '.join(names())}")
    file = _SHIPPED / f"{name}{BLUEPRINT}" if name in names() else Path(name)
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise BlueprintError(f"{file} is too large for a blueprint")
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ModelNotFoundError(
            f"cannot read the blueprint {name}: {error.strerror}", f"there are {', '.join(names())}"
        ) from error
    except UnicodeDecodeError as error:
        raise BlueprintError(f"the blueprint {name} is not UTF-8 text") from error


def find(name: str, image_size: tuple[int, int] | None = None) -> Blueprint:
    """The blueprint that a name stands for.

    Args:
        name: of a shipped one, a file's, or the text itself.
        image_size: (height, width) in pixels, where it should differ from what the text says.

    Raises:
        ModelNotFoundError: it stands for none.
        BlueprintError: the text is no blueprint; the message begins with the line.
        UsageError: an image size for what takes no images.
    """
    drawn = parse(text(name))
    if image_size is None:
        return drawn
    channels, *size = drawn.input
    if len(size) != len(image_size):
        raise UsageError(
            f"this blueprint takes {shapes.told(drawn.input)}, not images", "leave --img-size out"
        )
    return dataclasses.replace(drawn, input=(channels, *image_size))


def for_classes(description: str, count: int) -> str:
    """A blueprint's text with another number of classes: of its last weight layer, and of those of its auxiliary heads.

    Raises:
        BlueprintError: no such layer gives its logits.
    """
    drawn = parse(description)
    return written(dataclasses.replace(drawn, steps=_with_classes(drawn.steps, count)))


def _with_classes(steps: Steps, count: int) -> Steps:
    last = shapes.last_weight_layer(steps)
    if last is None:
        raise BlueprintError("the network ends with no layer whose width is the number of classes")
    changed = list(steps)
    for position, step in enumerate(steps):
        if isinstance(step, Auxiliary):
            changed[position] = dataclasses.replace(step, body=_with_classes(step.body, count))
        elif position == last and isinstance(step, Linear):
            changed[position] = dataclasses.replace(step, units=count)
        elif position == last and isinstance(step, Convolution):
            changed[position] = dataclasses.replace(step, maps=count)
    return tuple(changed)


def notation() -> str:
    """The page that explains the notation."""
    return Path(__file__).with_name("notation.txt").read_text(encoding="utf-8")


def label(name: str) -> str:
    """What a network is called that is built from this: a shipped one by its name, others with a digest of their text."""
    if name in names():
        return name
    digest = hashlib.sha256(text(name).encode()).hexdigest()[:8]
    return f"{'blueprint' if is_blueprint_text(name) else Path(name).stem}-{digest}"
