"""The images in a request: a form with files, the bytes of one image, or JSON with base64. None is read from a path or URL."""

import base64
import binascii
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from cnncli.images.in_memory import InMemory
from cnncli.images.sources import ImageInput
from cnncli.records.predictions import Unreadable
from cnncli.text import parse_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

FORM, JSON, BYTES = "multipart/form-data", "application/json", "application/octet-stream"


async def images_of(body: bytes, headers: Headers, most: int) -> list[ImageInput]:
    """The images that a request holds, named as its files, or by their number: `image 0`.

    Args:
        body: of the request.
        headers: of the request.
        most: images that one request may hold.

    Raises:
        HTTPException: it is not a request for predictions.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == FORM:
        images = await _images_in_form(body, headers, most)
    elif kind == JSON:
        images = _images_in_json(body)
    elif kind == BYTES or kind.startswith("image/"):
        return [InMemory("image 0", body)]
    else:
        raise HTTPException(
            415, f"content type {kind!r} holds no images: use {FORM}, image/…, {BYTES} or {JSON}"
        )
    if not images:
        raise HTTPException(400, "there is no image in the request")
    if len(images) > most:
        raise HTTPException(413, f"more than {most} images in a request")
    return images


class _FormParser(MultiPartParser):
    spool_max_size = 0  # files stay in memory: the whole body is in memory, and its size is limited


async def _images_in_form(body: bytes, headers: Headers, most: int) -> list[ImageInput]:
    async def stream() -> "AsyncGenerator[bytes]":
        yield body

    try:
        form = await _FormParser(headers, stream(), max_files=most + 1, max_fields=1).parse()
    except MultiPartException as error:
        raise HTTPException(400, f"not a valid form: {error.message}") from error
    try:
        images: list[ImageInput] = []
        for number, (name, file) in enumerate(form.multi_items()):
            if not isinstance(file, UploadFile):
                raise HTTPException(400, f"{name!r} is no file: curl sends one with -F image=@photo.jpg")
            images.append(InMemory(file.filename or f"image {number}", await file.read()))
        return images
    finally:
        await form.close()


def _images_in_json(body: bytes) -> list[ImageInput]:
    try:
        document = parse_json(body)
    except ValueError as error:
        raise HTTPException(400, f"not JSON: {error}") from error
    match document:
        case {"images": [*texts], **others} if not others and all(isinstance(text, str) for text in texts):
            return [_decode(text, f"image {number}") for number, text in enumerate(texts)]
    raise HTTPException(400, 'expected {"images": ["BASE64", …]}')


def _decode(text: str, name: str) -> ImageInput:
    try:
        return InMemory(name, base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        return Unreadable(name, f"not base64: {error}")
