"""A small HTTP server that imitates the Hugging Face Hub, including its failures."""

import base64
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

COMMIT = "1" * 40
"""The commit of all files."""


@dataclass
class Hub:
    """The files of the server and how it behaves.

    Attributes:
        files: content by path, e.g. `timm/net/resolve/main/model.safetensors`.
        behaviour: `well`, `slow`, `truncated`, `corrupted`, `redirecting`, `silent`, `silent_download` (answers HEAD
            but not GET), or `dawdling` (sends headers without end).
        requests: method and path of each request.
        tokens: Authorization header of each request.
        elsewhere: base URL of redirects; empty for this server.
        tag: ETag of large files; empty for their SHA-256, as on the real Hub.
        headers: additional headers of every response.
    """

    files: dict[str, bytes]
    behaviour: str = "well"
    requests: list[str] = field(default_factory=list)
    address: str = ""
    tokens: list[str] = field(default_factory=list)
    elsewhere: str = ""
    tag: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append(f"{handler.command} {handler.path}")
        self.tokens.append(handler.headers.get("Authorization", ""))
        path = handler.path.lstrip("/").partition("?")[0]
        if self.behaviour == "dawdling":
            for letter in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100:
                handler.wfile.write(bytes([letter]))
                time.sleep(0.5)
            return
        if self.behaviour == "silent" or (self.behaviour == "silent_download" and handler.command == "GET"):
            time.sleep(12)
            return
        if self.behaviour == "redirecting" and not path.startswith("elsewhere/"):
            self._redirect(handler, path)
            return
        content = self.files.get(path.removeprefix("elsewhere/"))
        if content is None:
            handler.send_response(404)
            handler.send_header("X-Error-Code", "EntryNotFound")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        self._send(handler, content)

    def _redirect(self, handler: BaseHTTPRequestHandler, path: str) -> None:
        content = self.files.get(path, b"")
        handler.send_response(302)
        handler.send_header("Location", f"{self.elsewhere or self.address}/elsewhere/{path}")
        self._describe(handler, content)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def _describe(self, handler: BaseHTTPRequestHandler, content: bytes) -> None:
        """Send the SHA-256 of large files and git's SHA-1 of small ones, as the real Hub does."""
        handler.send_header("X-Repo-Commit", COMMIT)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if handler.path.endswith(".json"):
            digest = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
            handler.send_header("ETag", f'"{digest.hexdigest()}"')
            return
        tag = self.tag or hashlib.sha256(content).hexdigest()
        handler.send_header("X-Linked-Etag", f'"{tag}"')
        handler.send_header("X-Linked-Size", str(len(content)))

    def _send(self, handler: BaseHTTPRequestHandler, content: bytes) -> None:
        begin = 0
        if (wanted := handler.headers.get("Range", "")).startswith("bytes="):
            begin = int(wanted.removeprefix("bytes=").partition("-")[0])
        handler.send_response(206 if begin else 200)
        self._describe(handler, content)
        handler.send_header("Content-Length", str(len(content) - begin))
        if begin:
            handler.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        handler.end_headers()
        if handler.command == "HEAD":
            return
        body = content[begin:]
        if self.behaviour == "corrupted":
            body = bytes([body[0] ^ 1]) + body[1:]
        if self.behaviour == "truncated":
            body = body[: len(body) // 2]
        for start in range(0, len(body), 65536):
            handler.wfile.write(body[start : start + 65536])
            if self.behaviour == "slow":
                time.sleep(0.2)
        if self.behaviour == "truncated":
            handler.close_connection = True


@dataclass
class WritableHub(Hub):
    """A hub that also creates repositories and takes commits from those who know its token.

    Attributes:
        token: the only one that may write.
        private: whether each repository is private, by name.
        refuses: part of the path of requests that are answered with status 500.
        stored: large files that were sent but are in no commit, by their SHA-256.
    """

    token: str = "hf_right"  # noqa: S105 - of this server only
    private: dict[str, bool] = field(default_factory=dict)
    refuses: str = ""
    stored: dict[str, bytes] = field(default_factory=dict)

    def names(self, repository: str) -> list[str]:
        """The names of the files in a repository."""
        start = f"{repository}/resolve/main/"
        return sorted(path.removeprefix(start) for path in self.files if path.startswith(start))

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        is_read = handler.command in {"GET", "HEAD"}
        if is_read and not path.startswith("/api/"):
            super().serve(handler)
            return
        self.requests.append(f"{handler.command} {handler.path}")
        status, answer = self._answer(handler, path, body)
        content = json.dumps(answer).encode()
        handler.send_response(status)
        if status == HTTPStatus.NOT_FOUND:
            handler.send_header("X-Error-Code", "RepoNotFound")
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def _answer(  # noqa: C901, PLR0911 - one case per request
        self, handler: BaseHTTPRequestHandler, path: str, body: bytes
    ) -> tuple[int, object]:
        """Status and content of the answer to a request of the API."""
        if self.refuses and self.refuses in path:
            return 500, {"error": "out of order"}
        if path.startswith("/lfs/"):  # the address is the permission, as in object stores
            self.stored[path.removeprefix("/lfs/")] = body
            return 200, {}
        if handler.headers.get("Authorization") != f"Bearer {self.token}":
            return 401, {"error": "Invalid username or password."}
        match path.strip("/").split("/"):
            case ["api", "whoami-v2"]:
                return 200, {"name": "me", "type": "user", "orgs": []}
            case ["api", "validate-yaml"]:
                return 200, {"errors": [], "warnings": []}
            case ["api", "repos", "create"]:
                return self._create(json.loads(body))
            case ["api", "models", owner, name]:
                return self._describe_repository(f"{owner}/{name}")
            case ["api", "models", _, _, "preupload", _]:
                files = [
                    (file["path"], file["path"].endswith((".safetensors", ".onnx")))
                    for file in json.loads(body)["files"]
                ]
                modes = {True: "lfs", False: "regular"}
                return 200, {
                    "files": [
                        {"path": name, "uploadMode": modes[large], "shouldIgnore": False}
                        for name, large in files
                    ]
                }
            case [_, _, "info", "lfs", "objects", "batch"]:
                objects = [
                    item | {"actions": {"upload": {"href": f"{self.address}/lfs/{item['oid']}"}}}
                    for item in json.loads(body)["objects"]
                ]
                return 200, {"transfer": "basic", "objects": objects}
            case ["api", "models", owner, name, "commit", _]:
                return self._commit(f"{owner}/{name}", body)
        return 404, {"error": "not found"}

    def _create(self, request: dict[str, str]) -> tuple[int, object]:
        name = f"{request['organization']}/{request['name']}"
        if name in self.private:
            return 409, {"error": "You already created this model repo"}
        self.private[name] = request["visibility"] == "private"
        return 200, {"url": f"{self.address}/{name}"}

    def _describe_repository(self, name: str) -> tuple[int, object]:
        if name not in self.private:
            return 404, {"error": "Repository not found"}
        files = [".gitattributes", *self.names(name)]
        return 200, {
            "id": name,
            "private": self.private[name],
            "sha": COMMIT,
            "siblings": [{"rfilename": file} for file in files],
        }

    def _commit(self, repository: str, body: bytes) -> tuple[int, object]:
        for operation in map(json.loads, body.splitlines()[1:]):  # the first line is the message
            value = operation["value"]
            for revision in ("main", COMMIT):
                path = f"{repository}/resolve/{revision}/{value['path']}"
                match operation["key"]:
                    case "file":
                        self.files[path] = base64.b64decode(value["content"])
                    case "lfsFile":
                        self.files[path] = self.stored[value["oid"]]
                    case "deletedFile":
                        del self.files[path]
        return 200, {"commitUrl": f"{self.address}/{repository}/commit/{COMMIT}", "commitOid": COMMIT}


AnyHub = TypeVar("AnyHub", bound=Hub)


@contextlib.contextmanager
def run_hub(hub: AnyHub, host: str = "127.0.0.1") -> Iterator[AnyHub]:
    """Run the server on a free local port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with contextlib.suppress(OSError):
                hub.serve(self)

        do_POST = do_PUT = do_GET  # noqa: N815 - names of http.server

        def do_HEAD(self) -> None:
            with contextlib.suppress(OSError):
                hub.serve(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server names it
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    hub.address = f"http://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
