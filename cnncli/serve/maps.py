"""Class activation maps for the page: one at a time, with torch, which is loaded for the first one."""

import functools
import importlib.util
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from cnncli.errors import InputError, UsageError
from cnncli.predict import Predictor
from cnncli.records.choices import CamMethod
from cnncli.records.pictures import Panel
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.records.tasks import columns_of
from cnncli.render.figures import panel_png

if TYPE_CHECKING:
    from cnncli.inspection.network.loading import LoadedModel

_MOST_WAITING = 4
"""Maps that may wait; each takes a good part of a second."""


class MapDrawer:
    """Draws the class activation maps of a network."""

    def __init__(self, predictor: Predictor) -> None:
        self._folder, self._reader = predictor.session.folder, predictor.session.reader
        names = predictor.answer_card.class_names
        self.is_available = (
            importlib.util.find_spec("torch") is not None
            and self._folder.needs_onnx is None
            and set(names) <= set(predictor.card.class_names)
        )
        """Whether torch is installed, knows the network, and predictions are in its own classes."""
        self._thread = ThreadPoolExecutor(1, "maps")
        self._places = threading.Semaphore(_MOST_WAITING)

    def submit(self, source: ImageSource, index: int, task: str | None) -> "Future[bytes] | None":
        """A PNG of an image with the map of a class laid over it; None if too many are waiting.

        Args:
            source: the image.
            index: of the class, as in a prediction.
            task: that it belongs to; None where there are not several.
        """
        if not self._places.acquire(blocking=False):
            return None
        drawing = self._thread.submit(self._draw, source, index, task)
        drawing.add_done_callback(lambda _: self._places.release())
        return drawing

    def close(self) -> None:
        """Draw what was submitted, then end the thread."""
        self._thread.shutdown()

    @functools.cached_property
    def _model(self) -> "LoadedModel":
        from cnncli.inspection.network.loading import load_model

        return load_model(self._folder)

    def _draw(self, source: ImageSource, index: int, task: str | None) -> bytes:
        """Draw a map.

        Raises:
            UsageError: the network has no such class, or no layer with maps.
            InputError: the image cannot be read.
        """
        from cnncli.inspection.network import cam
        from cnncli.inspection.network.loading import load_image, load_photograph

        column, card = self._column(index, task), self._folder.card
        checked = self._reader.image(source)  # within the service's own limit on pixels
        if isinstance(checked, Unreadable):
            raise InputError(f"{source.path}: {checked.reason}")
        image, photograph = load_image(source, card), load_photograph(source, card)
        layer = cam.target_layer(self._model, image)
        figure = cam.figure(self._model, image, photograph, layer, [column], CamMethod.GRADCAM)
        return panel_png(
            *(panel for panel in figure.panels if isinstance(panel, Panel) and panel.under is not None)
        )

    def _column(self, index: int, task: str | None) -> int:
        """The place of a class among those of all tasks.

        Raises:
            UsageError: there is no such class.
        """
        card = self._folder.card
        places = {
            each.name: (columns.start, len(each.class_names))
            for each, columns in zip(card.tasks, columns_of(card.tasks), strict=True)
        }
        first, count = (0, len(card.class_names)) if task is None else places.get(task, (0, 0))
        if not 0 <= index < count:
            raise UsageError(f"there is no class {index}{f' of {task!r}' if task else ''}")
        return int(first) + index
