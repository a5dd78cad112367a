"""Images of many requests, gathered into batches of one network.

A thread runs the network's only session over an endless stream of images: whatever has arrived while a batch is computed becomes
the next one, so that images wait no longer than they must, and under load batches are full and are decoded ahead, as in `predict`.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import field
from queue import Empty, SimpleQueue

from cnncli.dataclass import frozen_dataclass
from cnncli.images.sources import ImageInput
from cnncli.inference import ImageOutput
from cnncli.predict import Predictor
from cnncli.records.predictions import Record, Unreadable


@frozen_dataclass
class AnswerOptions:
    """How a request wants its images answered.

    Attributes:
        topk: number of classes; None for that of the service.
        threshold: confidence threshold; None for that of the service.
    """

    topk: int | None = None
    threshold: float | None = None


@frozen_dataclass
class _Request:
    images: int
    options: AnswerOptions
    records: list[Record] = field(default_factory=list)
    answer: "Future[list[Record]]" = field(default_factory=Future)


@frozen_dataclass
class _Item:
    """An image of a request."""

    request: _Request
    image: ImageInput


class Batcher:
    """Answers requests in a thread, until it is closed."""

    def __init__(self, predictor: Predictor) -> None:
        """Start the thread; `predictor` must not be used elsewhere."""
        self._predictor = predictor
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._running: deque[_Item] = deque()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="batches")
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Images that wait for their answer."""
        return self._queue.qsize() + len(self._running)

    def submit(self, images: Sequence[ImageInput], options: AnswerOptions) -> "Future[list[Record]]":
        """The records of these images, at least one, in order. If the future is cancelled, those not begun are skipped."""
        request = _Request(len(images), options)
        for image in images:
            self._queue.put(_Item(request, image))
        return request.answer

    def close(self) -> None:
        """Answer what was submitted, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while not self._is_closed:
            try:
                with contextlib.closing(self._predictor.outputs(self._sources())) as outputs:
                    for output in outputs:
                        self._answer(self._running[0], output)
                        self._running.popleft()
            except Exception:  # noqa: BLE001 - which image it was shows below
                self._answer_one_by_one()

    def _sources(self) -> Iterator[ImageInput | None]:
        """The images as they come; None before the wait for the next one."""
        while True:
            try:
                item = self._queue.get_nowait()
            except Empty:
                yield None
                item = self._queue.get()
            if item is None:
                self._is_closed = True
                return
            if not item.request.answer.cancelled():
                self._running.append(item)
                yield item.image

    def _answer_one_by_one(self) -> None:
        """Run the images of a batch that failed each on its own, so that it fails only the request that made it fail."""
        while self._running:
            item = self._running.popleft()
            try:
                (output,) = self._predictor.outputs([item.image])
                self._answer(item, output)
            except Exception as error:  # noqa: BLE001 - raised again in the request
                if item.request.answer.set_running_or_notify_cancel():
                    item.request.answer.set_exception(error)

    def _answer(self, item: _Item, output: ImageOutput | Unreadable) -> None:
        """Add the record of an image to its request, which is answered with the last one."""
        request = item.request
        if request.answer.done():
            return
        options = request.options
        request.records.append(self._predictor.record(output, options.topk, options.threshold))
        if len(request.records) == request.images and request.answer.set_running_or_notify_cancel():
            request.answer.set_result(request.records)
