"""Who may use a service, and how much: checked before anything slow is imported."""

import contextlib
import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import CnncliError, UsageError
from cnncli.regular_file import read_text
from cnncli.text import os_reason

TOKEN = "CNNCLI_TOKEN"  # noqa: S105 - the name of a variable
"""The environment variable with the token."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - only recognised
_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.IGNORECASE)


@frozen_dataclass
class Limits:
    """What a service accepts.

    Attributes:
        body: bytes of a request.
        queue: images that wait for their answer; further requests are refused.
        seconds: to receive a request, and again to answer it.
    """

    body: int
    queue: int
    seconds: float


@frozen_dataclass
class Access:
    """Who may use a service.

    Attributes:
        hosts: names by which clients may address it, in lower case. Without them, a page of another site could reach it by a
            name of its own that leads here (DNS rebinding).
        token: clients have to send it; None for none.
        is_generated: nobody but this process knows the token yet.
    """

    hosts: frozenset[str]
    token: str | None = None
    is_generated: bool = False

    @classmethod
    def from_options(
        cls, host: str, names: Sequence[str], token_file: Path | None, *, no_token: bool
    ) -> "Access":
        """The access that options and environment describe.

        Args:
            host: `--host`.
            names: `--allow-host`.
            token_file: `--token-file`.
            no_token: `--no-token`.

        Raises:
            UsageError: other machines could use the service under any name, or the options contradict each other.
            CnncliError: the file with the token cannot be read.
        """
        wrong = next((name for name in names if not (_HOST_NAME.fullmatch(name) or _address(name))), None)
        if wrong is not None:
            raise UsageError(f"--allow-host {wrong!r} is not a host name", "without scheme, port and path")
        if not names and not is_loopback(host):
            raise UsageError(
                f"--host {host} lets other machines in",
                "--allow-host NAME: the name or address by which they know this machine; repeatable",
            )
        if no_token and token_file:
            raise UsageError("--no-token and --token-file contradict each other", "omit one of them")
        token = None if no_token else _token(token_file)
        is_generated = token is None and bool(names) and not no_token
        hosts = _LOOPBACK | {host.lower()} - _ANY | {name.lower() for name in names}
        return cls(hosts, secrets.token_urlsafe() if is_generated else token, is_generated)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that a text is; None if it is none."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _token(file: Path | None) -> str | None:
    """The token in a file, or else in the environment.

    Raises:
        CnncliError: the file cannot be read.
        UsageError: it is no token.
    """
    try:
        token = read_text(file, errors="replace").strip() if file else os.environ.get(TOKEN)
    except OSError as error:
        raise CnncliError(f"cannot read --token-file {file}: {os_reason(error)}") from error
    if (file or token) and not re.fullmatch(r"[!-~]+", token or ""):
        origin = f"--token-file {file}" if file else TOKEN
        raise UsageError(f"{origin} is not a token", "use printable ASCII characters without spaces")
    return token or None


def bind(host: str, port: int) -> socket.socket:
    """A socket with an address; connections are refused until somebody listens.

    Raises:
        UsageError: the address is not one of this machine, or is in use.
    """
    with contextlib.ExitStack() as if_it_fails:
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            bound = if_it_fails.enter_context(socket.socket(family))
            if os.name == "posix":
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except (OSError, UnicodeError) as error:
            reason = os_reason(error) if isinstance(error, OSError) else "not a host name"
            raise UsageError(
                f"cannot listen on {host}:{port}: {reason}", "--port 0 takes a free port"
            ) from error
        if_it_fails.pop_all()
    return bound


def url(host: str, bound: socket.socket, access: Access) -> str:
    """The address for a browser: with an allowed name where `host` stands for all addresses.

    Args:
        host: `--host`.
        bound: from `bind`.
        access: who may use the service.
    """
    port = bound.getsockname()[1]
    name = min(access.hosts - _LOOPBACK, default="localhost") if host in _ANY else host
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"
