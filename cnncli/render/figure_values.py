"""The values that a figure shows, as an NPZ."""

import io

import numpy as np

from cnncli.records.pictures import Figure


def figure_npz(figure: Figure) -> bytes:
    """An NPZ with the `titles` of the panels, and the values of each panel under its index, as `0`."""
    buffer = io.BytesIO()
    arrays = {str(number): panel.values for number, panel in enumerate(figure.panels)}
    np.savez_compressed(buffer, titles=np.array([panel.title for panel in figure.panels]), **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
