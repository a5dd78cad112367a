"""Receiving requests: within limits on size and time, and on the memory that all of them take."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.exceptions import HTTPException
from starlette.requests import Request

from cnncli.images.sources import ImageInput
from cnncli.serve.images import images_of
from cnncli.serve.settings import Limits

RETRY = {"Retry-After": "1"}
"""The header of an answer that says to come back in a second."""

_BODIES = 8
"""Requests of the largest size that may be in memory; of the usual size, many more."""


class Intake:
    """Receives requests."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bytes = 0
        """In memory."""

    @asynccontextmanager
    async def receive(self, request: Request) -> AsyncIterator[list[ImageInput]]:
        """The images in a request, whose bytes count until the block ends.

        Raises:
            HTTPException: it is too large or too slow, there are too many, or it holds no images.
            ClientDisconnect: it has been broken off.
        """
        size, chunks = 0, []
        too_large = HTTPException(413, f"the request is larger than {self._limits.body:,} bytes (--max-body)")
        if int(request.headers.get("content-length", 0)) > self._limits.body:
            raise too_large
        try:
            async with _limit(self._limits.seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    self._bytes += len(chunk)
                    if size > self._limits.body:
                        raise too_large
                    if self._bytes > _BODIES * self._limits.body:
                        raise HTTPException(503, "too many large requests at the same time", RETRY)
                    chunks.append(chunk)
            images = await images_of(b"".join(chunks), request.headers, self._limits.queue)
            chunks.clear()
            yield images
        finally:
            self._bytes -= size


@asynccontextmanager
async def _limit(seconds: float) -> AsyncIterator[None]:
    """Refuse a request that is not received in time."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise HTTPException(408, f"not received within {seconds:g} s (--timeout)") from None
