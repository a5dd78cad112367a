"""POST /predict: every kind of body, the command's own records, and what is no request."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cnncli.errors import NotANumberError
from cnncli.images.preprocess import Pixels
from tests.conftest import Cnncli
from tests.serve.conftest import Gate, Serve, form, png


def labels(records: list[dict[str, object]]) -> list[object]:
    return [record["predictions"][0]["label"] if "predictions" in record else None for record in records]  # type: ignore[index]


def test_a_form_gives_the_records_of_the_command(
    serve: Serve, colours: Path, cnncli: Cnncli, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    names = ["a red.png", "b broken.jpg", "c.bmp"]
    body, kind = form(*((name, Path(name).read_bytes()) for name in names))
    answer = serve(colours).predict(body, kind)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    command = cnncli("predict", *names, "-m", colours, "-f", "json")
    assert answer.body.decode() == command.stdout


@pytest.mark.parametrize("model", ["colour_labels", "colour_tasks"])
def test_several_labels_and_tasks(
    serve: Serve,
    model: str,
    cnncli: Cnncli,
    photos: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = request.getfixturevalue(model)
    monkeypatch.chdir(photos)
    body, kind = form(("c.bmp", Path("c.bmp").read_bytes()))
    answer = serve(folder).predict(body, kind)
    assert answer.body.decode() == cnncli("predict", "c.bmp", "-m", folder, "-f", "json").stdout


@pytest.mark.parametrize(
    "kind", ["image/png", "image/anything", "application/octet-stream", "Image/PNG; x=y"]
)
def test_the_bytes_of_an_image(serve: Serve, colours: Path, kind: str) -> None:
    records = serve(colours).predict(png("blue"), kind).json()
    assert [record["path"] for record in records] == ["image 0"]
    assert labels(records) == ["blue"]


def test_json_with_base64(serve: Serve, colours: Path) -> None:
    texts = [base64.b64encode(png(colour)).decode() for colour in ("blue", "red")]
    document = json.dumps({"images": [texts[0], "no base64", "", texts[1]]}).encode()
    records = serve(colours).predict(document, "application/json").json()
    assert labels(records) == ["blue", None, None, "red"]
    assert records[1]["reason"].startswith("not base64: ")
    assert records[2] == {"path": "image 2", "status": "unreadable", "reason": "empty: no bytes"}


def test_a_request_may_ask_for_other_classes(serve: Serve, colours: Path) -> None:
    running = serve(colours, topk=1)
    assert len(running.predict(png()).json()[0]["predictions"]) == 1
    assert len(running.predict(png(), query="?topk=2").json()[0]["predictions"]) == 2
    (record,) = running.predict(png(), query="?topk=2&threshold=0.5").json()
    assert [score["label"] for score in record["predictions"]] == ["red", "unknown"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?topk=0", "topk=0 is not between 1 and 100"),
        ("?topk=101", "topk=101 is not between 1 and 100"),
        ("?topk=x", "invalid literal"),
        ("?threshold=nan", "threshold=nan is not between 0 and 1"),
        ("?path=/etc/passwd", "unknown parameter 'path'"),
        ("?url=http://127.0.0.1/", "unknown parameter 'url'"),
    ],
)
def test_wrong_parameters(serve: Serve, colours: Path, query: str, message: str) -> None:
    answer = serve(colours).predict(png(), query=query)
    assert answer.status == 400
    assert message in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "message"),
    [
        (b"{", "application/json", 400, "not JSON"),
        (b"[" * 100_000, "application/json", 400, "not JSON"),
        (b"[]", "application/json", 400, "expected"),
        (b'{"images": [1]}', "application/json", 400, "expected"),
        (b'{"images": [], "paths": ["a.png"]}', "application/json", 400, "expected"),
        (b'{"images": []}', "application/json", 400, "no image"),
        (b'{"images": [' + b'"",' * 64 + b'""]}', "application/json", 413, "more than 64 images"),
        (b"x", "multipart/form-data", 400, "not a valid form"),
        (b"x", "multipart/form-data; boundary=b", 400, "not a valid form"),
        (b"--b--", "multipart/form-data; boundary=b", 400, "no image"),
        (
            b'--b\r\nContent-Disposition: form-data; name="path"\r\n\r\n/etc/passwd\r\n--b--',
            "multipart/form-data; boundary=b",
            400,
            "'path' is no file",
        ),
        (png(), "text/plain", 415, "holds no images"),
        (png(), "", 415, "holds no images"),
        (b"image=x", "application/x-www-form-urlencoded", 415, "holds no images"),
    ],
)
def test_what_is_no_request_for_predictions(
    serve: Serve, colours: Path, body: bytes, kind: str, status: int, message: str
) -> None:
    answer = serve(colours).predict(body, kind)
    assert answer.status == status
    assert message in answer.json()["error"]


def test_too_many_files(serve: Serve, colours: Path) -> None:
    body, kind = form(*[("a.png", png())] * 65)
    assert serve(colours).predict(body, kind).status == 413
    body, kind = form(*[("a.png", png())] * 500)
    assert serve(colours).predict(body, kind).status == 400


def test_images_above_the_limit_on_pixels_are_not_decoded(serve: Serve, colours: Path) -> None:
    from cnncli.records.engines import InferenceOptions

    running = serve(colours, inference=InferenceOptions(max_pixels=63))
    (record,) = running.predict(png()).json()
    assert record["reason"].startswith("64 pixels, more than the limit of 63")


def test_requests_of_many_clients_are_answered_in_batches(serve: Serve, colours: Path) -> None:
    gate = Gate()
    running = serve(colours, gate=gate)
    colour_of = ["red", "lime", "blue"] * 7
    with ThreadPoolExecutor(21) as pool:
        first = pool.submit(running.predict, png())
        assert gate.has_begun.wait(10)
        answers = [pool.submit(running.predict, png(colour)) for colour in colour_of[:20]]
        while (
            running.ask("GET", "/metrics").body.decode().split("cnncli_images_waiting ")[-1].split()[0]
            != "21.0"
        ):
            pass
        gate.open.set()
        assert labels(first.result().json()) == ["red"]
        found = [labels(answer.result().json())[0] for answer in answers]
    assert found == [{"lime": "green"}.get(colour, colour) for colour in colour_of[:20]]
    assert gate.sizes[0] == 1
    assert len(gate.sizes) <= 4
    assert max(gate.sizes) == 8


def test_an_image_that_the_network_fails_on_fails_only_its_own_request(serve: Serve, colours: Path) -> None:
    def fail_on_blue(pixels: Pixels) -> None:
        if (pixels[:, 2] == 1).all(axis=(1, 2)).any():
            raise NotANumberError("blue overflows", "use red")

    gate = Gate(fail_on_blue)
    running = serve(colours, gate=gate)
    body, kind = form(("a", png("red")), ("b", png("red")))
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(running.predict, png())
        assert gate.has_begun.wait(10)
        others = [
            pool.submit(running.predict, *request) for request in ((png("blue"), "image/png"), (body, kind))
        ]
        threading.Timer(0.3, gate.open.set).start()
        assert first.result().status == 200
        bad, good = (other.result() for other in others)
    assert (bad.status, bad.json()) == (500, {"error": "blue overflows", "hint": "use red"})
    assert labels(good.json()) == ["red", "red"]
    assert running.predict(png()).status == 200
