"""Theoretical receptive fields of a network's layers, found by tracing it."""

from cnncli.errors import UsageError
from cnncli.geometry import ReceptiveField
from cnncli.inspection.network.loading import InputImage, LoadedModel
from cnncli.inspection.network.tracing import TracingError, trace

HeightAndWidth = tuple[ReceptiveField, ReceptiveField]
"""Receptive fields along height and width."""


def layer_fields(model: LoadedModel, image: InputImage) -> dict[str, HeightAndWidth | None]:
    """Receptive fields by layer name, for the layers that are called; None where a value depends on the whole image.

    Raises:
        UsageError: the network cannot be traced.
    """
    try:
        anatomy = trace(model.network, image.batch, model.card.name)
    except TracingError as error:
        raise UsageError(f"{model.card.name} cannot be traced: {error}") from error
    fields: dict[str, HeightAndWidth | None] = {}
    for layer in anatomy.layers:
        field = layer.field
        if field is None:
            continue
        if field.size is None or field.jump is None or field.start is None:
            fields[layer.name] = None
            continue
        vertical, horizontal = (
            ReceptiveField(*axis) for axis in zip(field.size, field.jump, field.start, strict=True)
        )
        fields[layer.name] = vertical, horizontal
    return fields
