"""What a service says of itself: OpenAPI, model, metrics, health."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families

from cnncli import __version__
from tests.serve.conftest import Running, Serve, form, png

ERRORS = [
    ("GET", "/predict", b"", {}, 405),
    ("POST", "/predict", b"x", {"content_type": "text/plain"}, 415),
    ("POST", "/predict", bytes(1_000_001), {"content_type": "image/png"}, 413),
    ("GET", "/nothing", b"", {}, 404),
    ("GET", "/models", b"", {"host": "evil.example"}, 403),
]


def description(running: Running) -> Any:
    return running.ask("GET", "/openapi.json").json()


def check(document: Any, schema: Any, value: Any) -> None:
    """Check a value against a schema of the document."""
    Draft202012Validator({"components": document["components"], **schema}).validate(value)


def test_the_description_is_openapi_and_lists_every_path(serve: Serve, colours: Path) -> None:
    from cnncli.records.progress import NullProgress
    from cnncli.serve.app import Service
    from cnncli.serve.settings import Access, Limits

    running = serve(colours)
    document = description(running)
    validate(document)
    assert document["info"]["version"] == __version__
    service = Service(running.predictor, Access(frozenset()), Limits(1, 1, 1), NullProgress())
    service.close()
    assert set(document["paths"]) == service.paths - {"/"}


@pytest.mark.parametrize("model", ["colours", "colour_labels", "colour_tasks"])
def test_answers_are_as_described(serve: Serve, model: str, request: pytest.FixtureRequest) -> None:
    running = serve(request.getfixturevalue(model))
    document = description(running)
    text = json.dumps({"images": [base64.b64encode(png()).decode(), "?"]}).encode()
    content = document["paths"]["/predict"]["post"]["responses"]["200"]["content"]
    for body, kind in ((png(), "image/png"), form(("a", b"x"), ("b", png())), (text, "application/json")):
        answer = running.predict(body, kind)
        assert answer.status == 200
        check(document, content["application/json"]["schema"], answer.json())
    for path in ("/models", "/healthz"):
        content = document["paths"][path]["get"]["responses"]["200"]["content"]
        check(document, content["application/json"]["schema"], running.ask("GET", path).json())


@pytest.mark.parametrize(("method", "path", "body", "headers", "status"), ERRORS)
def test_errors_are_as_described(
    serve: Serve, colours: Path, method: str, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    running = serve(colours)
    answer = running.ask(method, path, body, **headers)
    assert answer.status == status
    check(description(running), {"$ref": "#/components/schemas/Error"}, answer.json())


def test_the_request_for_json_is_as_described(serve: Serve, colours: Path) -> None:
    document = description(serve(colours))
    kinds = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    check(document, kinds["application/json"]["schema"], {"images": [base64.b64encode(png()).decode()]})


def test_the_model(serve: Serve, colours: Path, colour_tasks: Path) -> None:
    assert serve(colours).ask("GET", "/models").json() == {
        "models": [
            {
                "name": "colours",
                "classes": ["red", "green", "blue"],
                "tasks": {},
                "input": {"channels": 3, "height": 8, "width": 8},
                "cam": True,
            }
        ]
    }
    (model,) = serve(colour_tasks).ask("GET", "/models").json()["models"]
    assert model["tasks"] == {"colour": ["red", "green", "blue"], "mood": ["warm", "red", "cold"]}


def test_metrics(serve: Serve, colours: Path) -> None:
    running = serve(colours)
    running.predict(*form(("a", png()), ("b", b"broken")))
    running.predict(b"", "text/plain")
    running.ask("GET", "/any/path")
    answer = running.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }
    assert samples["cnncli_images_total", "ok"] == samples["cnncli_images_total", "unreadable"] == 1
    assert samples["cnncli_requests_total", "/predict", "200"] == 1
    assert samples["cnncli_requests_total", "/predict", "415"] == 1
    assert samples["cnncli_requests_total", "other", "404"] == 1
    assert samples["cnncli_request_seconds_count", "/predict"] == 2
    assert samples["cnncli_images_waiting",] == 0


def test_every_answer_has_headers_that_keep_browsers_from_guessing(serve: Serve, colours: Path) -> None:
    running = serve(colours)
    for path in ("/healthz", "/nothing", "/metrics"):
        headers = running.ask("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in {name.lower() for name in headers}
