"""A service on a socket, until it is interrupted."""

import asyncio
import math
import socket
from collections.abc import Callable

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from cnncli.interrupts import Interrupts
from cnncli.serve.app import Service
from cnncli.serve.settings import Limits

_CONNECTIONS = 1000
"""Connections at the same time; requests on others are refused."""

_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
]


def configure(service: Service, limits: Limits) -> uvicorn.Server:
    """A server for a service."""
    return uvicorn.Server(
        uvicorn.Config(
            service,
            http=_protocol(limits.seconds),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            headers=_HEADERS,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=math.ceil(2 * limits.seconds),
        )
    )


def run(
    server: uvicorn.Server,
    service: Service,
    bound: socket.socket,
    announce: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests until SIGINT or SIGTERM; then those that have been taken are answered, and the service is closed.

    Args:
        server: of the service.
        service: the service.
        bound: where it is to be reached.
        announce: called as soon as it can be reached.
    """

    def stop() -> None:
        server.should_exit = True

    try:
        with Interrupts(stop):  # uvicorn also passes on the signals that it handles
            bound.listen()
            announce()
            server.run(sockets=[bound])
    finally:
        service.close()


def _protocol(seconds: float) -> type[H11Protocol]:
    """HTTP with a limit on the time in which the headers of a request arrive, and its answer is read.

    uvicorn itself waits for them without end.
    """

    class Protocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.watch()

        def watch(self, looks: int = 1) -> None:
            cycle: RequestResponseCycle | None = self.cycle
            is_idle = cycle is None or cycle.response_complete or self.transport.is_closing()
            self.watchdog = self.loop.call_later(seconds, self.look, cycle, is_idle, looks)

        def look(self, cycle: RequestResponseCycle | None, was_idle: bool, looks: int) -> None:  # noqa: FBT001 - of call_later
            """Abort the connection if, since the last look, it has waited for a request or for its answer to be read.

            A request is received and answered within two looks; at the third, nobody reads the answer.
            """
            if self.cycle is not cycle:
                self.watch()
            elif was_idle or looks == 3:  # noqa: PLR2004 - explained above
                self.transport.abort()
            else:
                self.watch(looks + 1)

        def connection_lost(self, exc: Exception | None) -> None:
            self.watchdog.cancel()
            super().connection_lost(exc)

    return Protocol
