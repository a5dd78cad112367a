"""The numbers behind a plate."""

import io

import numpy as np

from cnncli.records.pictures import Plate


def plate_npz(plate: Plate) -> bytes:
    """An NPZ: `titles` of the panels, and the values of each under its number."""
    buffer = io.BytesIO()
    arrays = {str(number): panel.values for number, panel in enumerate(plate.panels)}
    np.savez_compressed(buffer, titles=np.array([panel.title for panel in plate.panels]), **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
