"""Who may ask: the host name, the origin and the token of every request are checked before anything else."""

import contextlib
import secrets
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request

from cnncli.serve.settings import Access

OPEN_PATHS = frozenset({"/", "/healthz"})
"""What needs no token: the page, which holds no data, and the check whether the service runs."""


def require_access(request: Request, access: Access) -> None:
    """Check a request.

    Raises:
        HTTPException: it is addressed to another host, comes from a page of another origin, or lacks the token.
    """
    host = request.headers.get("host", "")
    if _host_name(host) not in access.hosts:
        raise HTTPException(403, f"host {host!r} is not allowed: start the service with --allow-host")
    if not _is_same_origin(request, host):
        raise HTTPException(403, "pages of other origins cannot use this service")
    if access.token and request.url.path not in OPEN_PATHS and not _has_token(request.headers, access.token):
        raise HTTPException(
            401, "send the token of this service: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"}
        )


def _host_name(host: str) -> str:
    """The name or address in a Host header, in lower case; empty if it is none."""
    with contextlib.suppress(ValueError):
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    return ""


_OWN: Collection[str | None] = (None, "same-origin", "none")
"""Values of Sec-Fetch-Site: of a program, of our own page, of an address that the user typed."""


def _is_same_origin(request: Request, host: str) -> bool:
    """Whether a request comes from our own page or from no page. A link on another page may lead to ours."""
    headers = request.headers
    origin = headers.get("origin")
    if origin is not None:
        return origin.lower() in {f"http://{host.lower()}", f"https://{host.lower()}"}
    is_link = request.method == "GET" and headers.get("sec-fetch-mode") == "navigate"
    return is_link or headers.get("sec-fetch-site") in _OWN


def _has_token(headers: Headers, token: str) -> bool:
    scheme, _, sent = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and secrets.compare_digest(sent.strip().encode(), token.encode())
