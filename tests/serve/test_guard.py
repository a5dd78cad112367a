"""Who may use a service: host names, origins, tokens."""

from pathlib import Path

import pytest

from cnncli.errors import UsageError
from cnncli.serve.settings import Access
from tests.serve.conftest import Serve, form, png

PATHS = ["/", "/predict", "/models", "/healthz", "/metrics", "/openapi.json", "/nonsense"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:80", "[::1]:8000", "localhost."])
def test_names_of_this_machine(serve: Serve, colours: Path, host: str) -> None:
    assert serve(colours).ask("GET", "/healthz", host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8000", "", "[::1", "a@localhost@b"]
)
def test_another_host_name_is_refused_as_in_dns_rebinding(serve: Serve, colours: Path, host: str) -> None:
    running = serve(colours)
    for path in PATHS:
        for method in ("GET", "POST"):
            answer = running.ask(method, path, host=host)
            assert answer.status == 403
            assert "--allow-host" in answer.json()["error"]


def test_names_that_are_allowed(serve: Serve, colours: Path) -> None:
    access = Access.from_options("127.0.0.1", ["Photos.example.org"], None, no_token=True)
    running = serve(colours, access)
    assert running.ask("GET", "/healthz", host="photos.example.org:443").status == 200
    assert running.ask("GET", "/healthz", host="example.org").status == 403


CROSS_SITE = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost:1"},
    {"origin": "http://[::1"},
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site"},
]


@pytest.mark.parametrize("headers", CROSS_SITE, ids=str)
def test_pages_of_other_origins_are_refused(serve: Serve, colours: Path, headers: dict[str, str]) -> None:
    """Also where a browser asks nobody before it sends the request: forms and plain text."""
    running = serve(colours)
    body, kind = form(("a.png", png()))
    for content_type in (kind, "text/plain", "application/x-www-form-urlencoded", "application/json"):
        assert running.predict(body, content_type, **headers).status == 403
    for path in PATHS:
        assert running.ask("GET", path, b"", **headers).status == 403
    preflight = running.ask("OPTIONS", "/predict", b"", access_control_request_method="POST", **headers)
    assert preflight.status == 403
    assert not [name for name in preflight.headers if name.lower().startswith("access-control")]


def test_its_own_page_and_links_to_it_are_allowed(serve: Serve, colours: Path) -> None:
    running = serve(colours)
    own = {"origin": f"http://127.0.0.1:{running.port}", "sec_fetch_site": "same-origin"}
    assert running.predict(png(), **own).status == 200
    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    assert running.ask("GET", "/healthz", b"", **link).status == 200
    assert running.ask("POST", "/predict", png(), content_type="image/png", **link).status == 403


def test_a_token(serve: Serve, colours: Path) -> None:
    access = Access.from_options("127.0.0.1", ["photos.example"], None, no_token=False)
    assert access.token
    running = serve(colours, access)
    for path in ("/models", "/metrics", "/openapi.json", "/nonsense"):
        answer = running.ask("GET", path)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert access.token not in str(answer)
    for wrong in ("", "Bearer", "Bearer x", f"Basic {access.token}", f"Bearer {access.token}x", "Bearer é"):
        assert running.predict(png(), authorization=wrong).status == 401
    assert running.predict(png(), authorization=f"bearer {access.token}").status == 200
    assert running.ask("GET", "/healthz").status == 200


def test_tokens_from_the_environment_and_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    own, other = "from-the-file", "from-the-environment"
    file.write_text(f"{own}\n")
    monkeypatch.setenv("CNNCLI_TOKEN", other)
    assert Access.from_options("::1", [], None, no_token=False).token == other
    assert Access.from_options("::1", [], file, no_token=False).token == own
    assert Access.from_options("::1", [], None, no_token=True).token is None
    for wrong in ("", "two words", "schlüssel"):
        file.write_text(wrong, encoding="utf-8")
        with pytest.raises(UsageError, match="is not a token"):
            Access.from_options("::1", [], file, no_token=False)


def test_generated_tokens_differ() -> None:
    tokens = {Access.from_options("192.0.2.1", ["a"], None, no_token=False).token for _ in range(9)}
    assert len(tokens) == 9
    assert all(len(token or "") > 30 for token in tokens)
