"""What the values of a network's layers see of an image: fields by layer, as a trace finds them."""

from cnncli.errors import UsageError
from cnncli.geometry import ReceptiveField
from cnncli.inspection.network import Opened, Seen
from cnncli.inspection.tracing import TracingError, trace

Fields = tuple[ReceptiveField, ReceptiveField]
"""Along height and width."""


def fields(opened: Opened, image: Seen) -> dict[str, Fields | None]:
    """The fields of each layer that is used, by name; None where a value sees all of the image.

    Raises:
        UsageError: the network cannot be followed.
    """
    try:
        anatomy = trace(opened.network, image.images, opened.card.name)
    except TracingError as error:
        raise UsageError(f"{opened.card.name} cannot be followed: {error}") from error
    found: dict[str, Fields | None] = {}
    for layer in anatomy.layers:
        seen = layer.seen
        if seen is None:
            continue
        if seen.size is None or seen.jump is None or seen.start is None:
            found[layer.name] = None
            continue
        vertical, horizontal = (
            ReceptiveField(*axis) for axis in zip(seen.size, seen.jump, seen.start, strict=True)
        )
        found[layer.name] = vertical, horizontal
    return found
