"""The paths of the service, and its limits."""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from cnncli import __version__
from cnncli.errors import CnncliError, InputError, UsageError
from cnncli.images.sources import ImageInput
from cnncli.predict import Predictor
from cnncli.records.predictions import Record, Unreadable
from cnncli.records.progress import Progress
from cnncli.render.lines import Json
from cnncli.serve.batcher import AnswerOptions, Batcher
from cnncli.serve.guard import require_access
from cnncli.serve.intake import RETRY, Intake
from cnncli.serve.maps import MapDrawer
from cnncli.serve.metrics import Metrics
from cnncli.serve.page import read_page
from cnncli.serve.settings import Access, Limits

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

LARGEST_TOPK = 100
"""Classes per image that a request may ask for."""

_GONE = 499
"""The status of a request whose client did not wait for the answer, as nginx counts it."""


class Service:
    """The ASGI application: every request is checked, answered within limits, and counted."""

    def __init__(self, predictor: Predictor, access: Access, limits: Limits, progress: Progress) -> None:
        """Start the thread that answers; `close` ends it.

        Args:
            predictor: of the network.
            access: who may ask.
            limits: how much, and how long.
            progress: reports defects of the service.
        """
        self._predictor, self._access, self._limits = predictor, access, limits
        self._progress = progress
        self._batcher, self._maps = Batcher(predictor), MapDrawer(predictor)
        self._html, self._html_headers = read_page()
        self._intake = Intake(limits)
        self.metrics = Metrics(lambda: self._batcher.waiting)
        routes = [
            Route("/", self._page),
            Route("/predict", self._predict, methods=["POST"]),
            Route("/cam", self._map, methods=["POST"]),
            Route("/models", self._models),
            Route("/healthz", self._health),
            Route("/metrics", self._metrics),
            Route("/openapi.json", self._openapi),
        ]
        self.paths = frozenset(route.path for route in routes)
        handlers = {
            HTTPException: _refuse,
            UsageError: _refuse_input,
            InputError: _refuse_input,
            CnncliError: _fail,
            ClientDisconnect: _forget,
        }
        self._app = Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]

    def close(self) -> None:
        """Answer what was taken, then end the thread."""
        self._batcher.close()
        self._maps.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and count it."""
        status, start = 500, time.perf_counter()

        async def send_and_see(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            require_access(Request(scope), self._access)
            await self._app(scope, receive, send_and_see)
        except HTTPException as error:
            await _refuse(Request(scope), error)(scope, receive, send_and_see)
        except Exception as error:
            self._progress.warning(f"{scope['path']}: internal error: {error!r} (CNNCLI_DEBUG=1 shows more)")
            raise
        finally:
            path = scope["path"] if scope["path"] in self.paths else "other"
            self.metrics.count_request(path, status, time.perf_counter() - start)

    # ---- predictions

    async def _predict(self, request: Request) -> Response:
        options = _answer_options(request.query_params)
        async with self._intake.receive(request) as images:
            records = await self._records(request, images, options)
        renderer = Json()
        text = renderer.begin() + "".join(map(renderer.record, records)) + renderer.end()
        self.metrics.count_images(records)
        return Response(text, media_type="application/json")

    async def _records(
        self, request: Request, images: list[ImageInput], options: AnswerOptions
    ) -> list[Record]:
        """The records of the images, unless the queue is full.

        Raises:
            HTTPException: it is; or as `_in_time`.
        """
        if self._batcher.waiting + len(images) > self._limits.queue:
            raise HTTPException(503, "too many images are waiting", RETRY)
        return await self._in_time(request, self._batcher.submit(images, options))

    async def _in_time(self, request: Request, work: "Future[T]") -> T:
        """The result of work for a request, unless it takes too long, or the client does not wait for it.

        Raises:
            HTTPException: it takes too long.
            ClientDisconnect: nobody waits for it.
        """
        answer = asyncio.wrap_future(work)
        client = asyncio.ensure_future(request.receive())  # ends when it has gone
        try:
            waited_for: list[asyncio.Future[Any]] = [answer, client]
            await asyncio.wait(waited_for, timeout=self._limits.seconds, return_when="FIRST_COMPLETED")
            if answer.done():
                return answer.result()
            if client.done():
                raise ClientDisconnect
            raise HTTPException(503, f"not answered within {self._limits.seconds:g} s (--timeout)", RETRY)
        finally:
            client.cancel()
            answer.cancel()

    async def _map(self, request: Request) -> Response:
        query = dict(request.query_params)
        index, task = query.pop("index", ""), query.pop("task", None)
        if query or not re.fullmatch(r"[0-9]{1,9}", index):
            raise HTTPException(
                400, "use ?index=N, as in a prediction, and &task=NAME where there are several"
            )
        if not self._maps.is_available:
            raise HTTPException(501, "class activation maps need torch, and a network that it can run")
        async with self._intake.receive(request) as images:
            image = images[0]
            if len(images) > 1 or isinstance(image, Unreadable):
                raise HTTPException(400, "a map needs exactly one image")
            work = self._maps.submit(image, int(index), task)
            if work is None:
                raise HTTPException(503, "too many maps are waiting", RETRY)
            return Response(await self._in_time(request, work), media_type="image/png")

    # ---- what the service is

    async def _page(self, _: Request) -> Response:
        return HTMLResponse(self._html, headers=self._html_headers)

    async def _models(self, _: Request) -> Response:
        card = self._predictor.answer_card
        preprocessing = card.preprocessing
        height, width = preprocessing.size
        model = {
            "name": card.name,
            "classes": list(self._predictor.layout.labels),
            "tasks": {task.name: list(task.class_names) for task in card.tasks},
            "input": {"channels": preprocessing.channels, "height": height, "width": width},
            "cam": self._maps.is_available,
        }
        return JSONResponse({"models": [model]})

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _metrics(self, _: Request) -> Response:
        return Response(self.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def _openapi(self, _: Request) -> Response:
        return JSONResponse(openapi())


def openapi() -> object:
    """The description of the service in OpenAPI."""
    document = json.loads((resources.files(__package__) / "openapi.json").read_text(encoding="utf-8"))
    document["info"]["version"] = __version__
    return document


def _answer_options(query: Mapping[str, str]) -> AnswerOptions:
    """The options in the query of a request.

    Raises:
        HTTPException: there are others, or their values are out of range.
    """
    if unknown := next(iter(query.keys() - {"topk", "threshold"}), None):
        raise HTTPException(400, f"unknown parameter {unknown!r}: use topk or threshold")
    try:
        topk = int(query["topk"]) if "topk" in query else None
        threshold = float(query["threshold"]) if "threshold" in query else None
    except ValueError as error:
        raise HTTPException(400, str(error)) from None
    if topk is not None and not 1 <= topk <= LARGEST_TOPK:
        raise HTTPException(400, f"topk={topk} is not between 1 and {LARGEST_TOPK}")
    if threshold is not None and not 0 <= threshold <= 1:
        raise HTTPException(400, f"threshold={threshold} is not between 0 and 1")
    return AnswerOptions(topk, threshold)


def _refuse(_: Request, error: HTTPException) -> Response:
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def _refuse_input(_: Request, error: CnncliError) -> Response:
    return JSONResponse({"error": error.message}, 400)


def _fail(_: Request, error: CnncliError) -> Response:
    return JSONResponse({"error": error.message, "hint": error.hint}, 500)


def _forget(_: Request, _error: ClientDisconnect) -> Response:
    return Response(status_code=_GONE)
