"""`cnncli serve` as a real process: its address, its messages, its end; and options that make no sense."""

import contextlib
import http.client
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from cnncli.serve.settings import Access, bind, url
from tests.conftest import Cnncli, Imports, Program

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

ANY = "0.0.0.0"  # noqa: S104 - nothing listens on it


@pytest.fixture(autouse=True)
def default_model(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNCLI_MODEL", str(colours))


@contextlib.contextmanager
def serve(*arguments: str, **environment: str) -> "Iterator[tuple[subprocess.Popen[str], str]]":
    """A process and the address that it prints."""
    command = [sys.executable, "-m", "cnncli", "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    ) as process:
        try:
            assert process.stdout
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def stop(process: "subprocess.Popen[str]", number: int) -> tuple[int, list[str]]:
    """The exit code and the messages after a signal."""
    process.send_signal(number)
    _, messages = process.communicate(timeout=30)
    return process.returncode, messages.splitlines()


def predict(address: str, image: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", "/predict", image, {"Content-Type": "image/png"})
        response = connection.getresponse()
        return response.status, response.read()


def png(size: int = 8) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((size, size), 90).convert("RGB").save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_address_and_ends_with_0(number: int) -> None:
    with serve() as (process, address):
        assert address.startswith("http://127.0.0.1:")
        assert predict(address, png())[0] == 200
        code, messages = stop(process, number)
    assert code == 0
    assert messages == ["serving colours: 3 classes (Ctrl-C ends)", "answered 1 request, 1 image"]


def test_quiet() -> None:
    with serve("-q") as (process, address):
        assert address.startswith("http://127.0.0.1:")
        assert stop(process, signal.SIGTERM) == (0, [])


def test_what_was_taken_before_the_end_is_answered() -> None:
    """Requests that wait, and one whose body is not complete yet."""
    image = png(1500)
    with serve() as (process, address), ThreadPoolExecutor(12) as pool:
        host, port = address.removeprefix("http://").split(":")
        slow = socket.create_connection((host, int(port)), timeout=30)
        head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: {len(image)}\r\n\r\n"
        slow.sendall(head.encode() + image[:100])
        answers = [pool.submit(predict, address, image) for _ in range(12)]
        while not re.search(rb"cnncli_images_waiting [1-9]", metrics(address)):
            assert not all(answer.done() for answer in answers)
        threading.Timer(0.3, slow.sendall, [image[100:]]).start()
        code, messages = stop(process, signal.SIGTERM)
        assert [answer.result()[0] for answer in answers] == [200] * 12
        with slow:
            assert slow.recv(65536).startswith(b"HTTP/1.1 200 ")
        with pytest.raises(OSError, match="refused"):
            predict(address, image)
    assert code == 0
    assert messages[-1].endswith(", 13 images")


def metrics(address: str) -> bytes:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        return connection.getresponse().read()


def test_a_token_is_part_of_the_address_where_it_is_new() -> None:
    with serve("--allow-host", "photos.example") as (_, address):
        place, token = address.split("/#token=")
        assert place.startswith("http://127.0.0.1:")
        assert predict(place, png())[0] == 401
        connection = http.client.HTTPConnection(place.removeprefix("http://"), timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", "/models", headers={"Authorization": f"Bearer {token}"})
            assert connection.getresponse().status == 200


@pytest.mark.parametrize(
    ("host", "names", "address"),
    [
        (ANY, ["photos.example"], "http://photos.example"),
        (ANY, ["localhost"], "http://localhost"),
        ("::1", [], "http://[::1]"),
    ],
)
def test_the_address_is_one_for_browsers(host: str, names: list[str], address: str) -> None:
    with bind("127.0.0.1", 0) as bound:
        access = Access.from_options(host, names, None, no_token=False)
        assert url(host, bound, access) == f"{address}:{bound.getsockname()[1]}"


def test_a_token_of_the_user_is_not_printed() -> None:
    own = "a-token-of-my-own"
    with serve(CNNCLI_TOKEN=own) as (process, address):
        assert predict(address, png())[0] == 401
        _, messages = stop(process, signal.SIGTERM)
        assert own not in address + "".join(messages)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", ANY], "--host 0.0.0.0 lets other machines in"),
        (["--host", "photos.example"], "--host photos.example lets other machines in"),
        (["--allow-host", "http://a/"], "--allow-host 'http://a/' is not a host name"),
        (["--allow-host", "a:80"], "--allow-host 'a:80' is not a host name"),
        (["--token-file", "absent"], "cannot read --token-file absent: No such file or directory"),
        (["--token-file", "absent", "--no-token"], "--no-token and --token-file contradict each other"),
        (["--host", "127.1.2.3.4"], "--host 127.1.2.3.4 lets"),
        (["--host", "192.0.2.1", "--allow-host", "a"], "cannot listen on 192.0.2.1:8000: "),
        (["--port", "65536"], "65536"),
        (["--queue", "0"], "0 is below 1"),
        (["--img-size", "x"], "--img-size 'x' is not a size"),
    ],
)
def test_usage_errors(cnncli: Cnncli, arguments: list[str], message: str) -> None:
    result = cnncli("serve", *arguments)
    assert result.exit_code in {1, 2}
    assert message in result.stderr.splitlines()[0]


def test_a_port_in_use(cnncli: Cnncli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = cnncli("serve", "--port", str(port))
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        f"error: cannot listen on 127.0.0.1:{port}: Address already in use",
        "hint: --port 0 takes a free port",
    ]


def test_usage_errors_load_nothing_heavy(imports: Imports) -> None:
    result, packages = imports("serve", "--host", ANY)
    assert result.returncode == 2
    assert not {"numpy", "PIL", "torch", "starlette", "uvicorn", "asyncio"} & packages


def test_without_the_packages_the_extra_is_named(program: Program, tmp_path: Path) -> None:
    (tmp_path / "starlette.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'starlette'\", name='starlette')"
    )
    result = program("serve", "--port", "0", PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    assert result.stderr.splitlines()[0] == b"error: serve needs the package starlette"
    assert b"cnncli[serve]" in result.stderr


def test_it_serves_without_torch(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    for package in ("torch", "torchvision", "timm", "onnx", "safetensors", "huggingface_hub", "sklearn"):
        (blocked / package).mkdir(parents=True)
        (blocked / package / "__init__.py").write_text("raise ImportError('blocked by a test')")
    with serve(PYTHONPATH=str(blocked)) as (process, address):
        assert predict(address, png())[0] == 200
        code, _ = stop(process, signal.SIGTERM)
    assert code == 0
