"""A small HTTP server that imitates the Hugging Face Hub, including its failures."""

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


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
        handler.send_header("X-Repo-Commit", "1" * 40)
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


@contextlib.contextmanager
def run_hub(hub: Hub, host: str = "127.0.0.1") -> Iterator[Hub]:
    """Run the server on a free local port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with contextlib.suppress(OSError):
                hub.serve(self)

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
