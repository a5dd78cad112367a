"""A service in a thread of the test, and a client for it."""

import contextlib
import http.client
import io
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cnncli.engines.engine import Engine, Outputs
from cnncli.images.preprocess import Pixels
from cnncli.networks.model_folder import read_folder
from cnncli.networks.predict_settings import PredictSettings
from cnncli.predict import Predictor
from cnncli.records.progress import NullProgress
from cnncli.serve.settings import Access, Limits, bind

LOCAL = Access.from_options("127.0.0.1", [], None, no_token=False)
LIMITS = Limits(body=1_000_000, queue=64, seconds=20)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Running:
    """A running service."""

    port: int
    predictor: Predictor

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Send a request; `_` in the names of headers stands for `-`."""
        with contextlib.closing(self.connect()) as connection:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body or None, names)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def predict(self, body: bytes, kind: str = "image/png", query: str = "", **headers: str) -> Answer:
        return self.ask("POST", f"/predict{query}", body, content_type=kind, **headers)


class Gate:
    """An engine that waits until the gate is open, and calls `check` with the pixels."""

    def __init__(self, check: Callable[[Pixels], None] = lambda _: None) -> None:
        self._check = check
        self.open, self.has_begun, self.sizes = threading.Event(), threading.Event(), list[int]()

    def wrap(self, engine: Engine) -> Engine:
        self._engine, self.batch_size = engine, engine.batch_size
        return self

    def run(self, pixels: Pixels) -> Outputs:
        self.sizes.append(len(pixels))
        self.has_begun.set()
        assert self.open.wait(30)
        self._check(pixels)
        return self._engine.run(pixels)


Serve = Callable[..., Running]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a service for a model folder; it ends with the test."""
    from cnncli.serve.app import Service
    from cnncli.serve.server import configure, run

    with contextlib.ExitStack() as stack:

        def start(
            folder: Path,
            access: Access = LOCAL,
            limits: Limits = LIMITS,
            gate: Gate | None = None,
            **settings: Any,
        ) -> Running:
            predictor = Predictor(read_folder(folder), PredictSettings(**settings), NullProgress())
            if gate:
                predictor.session._engine = gate.wrap(predictor.session._engine)
            bound = bind("127.0.0.1", 0)
            service = Service(predictor, access, limits, NullProgress())
            server = configure(service, limits)
            is_listening = threading.Event()
            thread = threading.Thread(target=run, args=(server, service, bound, is_listening.set))
            port = bound.getsockname()[1]
            thread.start()
            assert is_listening.wait(10)

            def stop() -> None:
                server.should_exit = True
                thread.join()

            stack.callback(stop)
            return Running(port, predictor)

        yield start


def png(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return file.getvalue()


def form(*files: tuple[str, bytes]) -> tuple[bytes, str]:
    """The body of a form with files, and its content type."""
    boundary = secrets.token_hex()
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in files
    ]
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
