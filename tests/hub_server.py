"""A small server that answers as the Hugging Face hub does, well or badly."""

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hub:
    """What is served, and how.

    Attributes:
        files: content by path, `timm/net/resolve/main/model.safetensors`.
        behaviour: `well`, `slow`, `truncated`, `corrupted`, `redirecting`, `silent`, `silent_download` (which tells
            of files and does not give them), `dawdling` (which never comes to an end).
        requests: methods and paths that were asked for.
        tokens: that came with them.
        elsewhere: where `redirecting` leads to; empty for the same server.
        tag: of large files; empty for their SHA-256, as the hub has it.
        headers: more of them, with every answer.
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
        """Large files are announced by their SHA-256, small ones by git's SHA-1, as on the real hub."""
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
    """The server, answering on a port of this machine until the block ends."""

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
