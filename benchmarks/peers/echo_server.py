"""The floor of a service: uvicorn alone, which reads a request and answers with a constant. Prints its address."""

import socket

import uvicorn
from starlette.types import Receive, Scope, Send

ANSWER = b'[\n{"path": "image 0", "status": "ok", "predictions": []}\n]\n'


async def app(_: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    while (await receive()).get("more_body"):
        pass
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(ANSWER))]}
    )
    await send({"type": "http.response.body", "body": ANSWER})


if __name__ == "__main__":
    bound = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{bound.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, http="h11", ws="none", lifespan="off", log_config=None, access_log=False)
    uvicorn.Server(config).run(sockets=[bound])
