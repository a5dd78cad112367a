"""A service under load: images per CPU second beside `predict` and LitServe, latency, hostile requests, memory, the end.

    python -m benchmarks.serve PHOTOGRAPHS

Bodies are prepared beforehand, and all processes share the cores of one machine. CPU seconds are those of the serving process alone. LitServe is
measured where it is installed.
"""

import base64
import importlib.util
import json
import math
import random
import re
import resource
import statistics
import struct
import threading
import time
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import photographs
from benchmarks.load import CONNECTIONS, Answer, Body, Server, seconds_at_rate, send_all, serve
from benchmarks.results import publish, table
from benchmarks.timing import run
from cnncli.networks.model_folder import GRAPH
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.defaults import DEFAULT
from cnncli.records.progress import NullProgress

IMAGES, ROUNDS, WARM_UP = 1_000, 3, 200
HOSTILE, HIGH_LOAD, LATENCY_SECONDS, END_AFTER = 500, 0.7, 20, 3


@dataclass(frozen=True)
class Throughput:
    """What answering `IMAGES` requests took: CPU seconds of server and client, and seconds of waiting."""

    server: float
    client: float
    seconds: float

    @property
    def rate(self) -> float:
        """Images per CPU second of the server."""
        return IMAGES / self.server


def main() -> None:
    """Measure and write the section."""
    source = photographs.parse_arguments(__doc__)
    folder = photographs.copies(source, IMAGES)
    bodies = [Body(file.read_bytes(), "image/jpeg") for file in sorted(folder.iterdir())]
    with serve("-m", "cnncli", "serve", "--port", "0") as server:
        reference = send_all(server.address, bodies)
        memory = server.memory()
        ours, predict = [], []
        for _ in range(ROUNDS):
            ours.append(measure(server, bodies))
            predict.append(IMAGES / predict_seconds(folder))
        highest = statistics.median(IMAGES / each.seconds for each in ours)
        rate = HIGH_LOAD * highest
        some = bodies[: round(rate * LATENCY_SECONDS)]
        latency = seconds_at_rate(server.address, some, rate)
        with serve("-m", "benchmarks.peers.echo_server") as echo:
            floor = seconds_at_rate(echo.address, some, rate)
        hostile = check_hostile(server, bodies, reference)
        memory_after = server.memory()
        end = check_end(server, bodies)
    ratio = statistics.median(one.rate / other for one, other in zip(ours, predict, strict=True))
    rows = [
        _row("`cnncli serve`", [each.rate for each in ours]),
        _row("`cnncli predict`, whole process", predict),
        *([_row("LitServe", [each.rate for each in measure_litserve(bodies)])] if _has_litserve() else []),
    ]
    publish(
        "serve",
        "A service under load",
        f"""\
{table(("", "images per CPU second"), rows)}

The default network, {IMAGES:,} requests with a photograph each, {CONNECTIONS} clients; medians of {ROUNDS} alternating rounds. serve / predict: \
**{ratio:.2f}** (target: at least 0.85). The clients took {statistics.median(each.client for each in ours):.1f} CPU seconds, the server \
{statistics.median(each.server for each in ours):.1f}. Highest load: {highest:.0f} requests per second. LitServe runs the same network in batches of 8, \
with the default settings of ONNX Runtime, and takes images as base64 in JSON.

{table(("at 0.7 of the highest load", "median", "p99"), [_latency_row("`cnncli serve`", latency), _latency_row("uvicorn alone", floor)])}

{hostile} Resident memory: {memory / 1e6:.0f} MB after the first {IMAGES:,} requests, {memory_after / 1e6:.0f} MB after all. {end}""",
    )


def _row(name: str, rates: Sequence[float]) -> list[str]:
    return [name, f"{statistics.median(rates):.1f}"]


def _latency_row(name: str, seconds: Sequence[float]) -> list[str]:
    median, high = np.percentile(seconds, [50, 99]) * 1000
    return [name, f"{median:.1f} ms", f"{high:.1f} ms"]


# ---- throughput


def measure(server: Server, bodies: Sequence[Body]) -> Throughput:
    """Answer all requests as fast as possible.

    Raises:
        SystemExit: one was refused.
    """
    cpu, own, start = server.cpu_seconds(), time.process_time(), time.perf_counter()
    answers = send_all(server.address, bodies)
    if refused := {answer.status for answer in answers} - {200}:
        raise SystemExit(f"requests were answered with status {refused}")
    return Throughput(server.cpu_seconds() - cpu, time.process_time() - own, time.perf_counter() - start)


def predict_seconds(folder: Path) -> float:
    """CPU seconds of `cnncli predict` on a folder."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(["-m", "cnncli", "predict", str(folder), "-f", "json", "-k", "5"])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _has_litserve() -> bool:
    return importlib.util.find_spec("litserve") is not None


def measure_litserve(bodies: Sequence[Body]) -> list[Throughput]:
    """LitServe with the same network; it takes images as base64 in JSON."""
    folder = prepare(Reference(DEFAULT), NullProgress())
    preprocessing = folder.card.preprocessing
    sides = (str(preprocessing.size[0]), str(preprocessing.resize[0]))
    texts = [
        Body(json.dumps({"image": base64.b64encode(body.content).decode()}).encode(), "application/json")
        for body in bodies
    ]
    with serve("-m", "benchmarks.peers.litserve_server", str(folder.path / GRAPH), *sides) as server:
        send_all(server.address, texts[:WARM_UP])
        return [measure(server, texts) for _ in range(ROUNDS)]


# ---- hostile requests


def hostile_bodies(bodies: Sequence[Body], count: int) -> list[Body]:
    """Broken photographs, and requests that are none."""
    draw = random.Random(0)  # noqa: S311 - repeatable
    size = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + size + struct.pack(">I", zlib.crc32(size))

    def flip(content: bytes) -> bytes:
        changed = bytearray(content)
        for _ in range(20):
            changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        return bytes(changed)

    def variants(photo: bytes) -> list[Body]:
        return [
            Body(photo[: draw.randrange(len(photo))], "image/jpeg"),
            Body(flip(photo), "image/jpeg"),
            Body(draw.randbytes(10_000), "application/octet-stream"),
            Body(bomb, "image/png"),
            Body(photo, "text/plain"),
            Body(photo, "application/json"),
            Body(b"[" * 100_000, "application/json"),
            Body(photo, "multipart/form-data; boundary=x"),
            Body(b"--x\r\n" * 10_000, "multipart/form-data; boundary=x"),
            Body(photo, "image/jpeg", "/predict?topk=0"),
            Body(photo, "image/jpeg", "/../../etc/passwd"),
            Body(bytes(33_000_000) if draw.random() < 1 / 12 else b"", "image/jpeg"),
        ]

    return [draw.choice(variants(draw.choice(bodies).content)) for _ in range(count)]


def check_hostile(server: Server, bodies: Sequence[Body], reference: Sequence[Answer]) -> str:
    """Send hostile requests among good ones; what came of them, in a sentence."""
    bad = hostile_bodies(bodies, HOSTILE)
    mixed = [body for pair in zip(bodies, bad, strict=False) for body in pair]
    answers = send_all(server.address, mixed)
    failed = sum(answer.status == 0 or answer.status >= 500 for answer in answers)
    same = sum(map(_is_same, answers[::2], reference))
    return (
        f"{HOSTILE} broken and hostile requests among as many good ones: {failed} without an answer or with status 5xx; "
        f"{same} of {HOSTILE} good ones were answered as without them."
    )


def _is_same(one: Answer, other: Answer) -> bool:
    """Whether two answers name the same classes with the same probabilities, but for the last digits."""
    if {one.status, other.status} != {200}:
        return False
    first, second = (json.loads(answer.content)[0]["predictions"][0] for answer in (one, other))
    return first["label"] == second["label"] and math.isclose(
        first["probability"], second["probability"], abs_tol=1e-4
    )


# ---- memory, and the end


def check_end(server: Server, bodies: Sequence[Body]) -> str:
    """End the service under load; what its clients saw, in a sentence."""
    before = _count_requests(server)
    timer = threading.Timer(END_AFTER, server.process.terminate)
    timer.start()
    complete = sum(answer.status > 0 for answer in send_all(server.address, bodies))
    _, messages = server.process.communicate(timeout=60)
    total = re.search(r"answered ([\d,]+) request", messages)
    answered = int(total[1].replace(",", "")) - before if total else -1
    return (
        f"SIGTERM after {END_AFTER} s of full load: exit code {server.process.returncode}, {answered:,} requests answered until then, "
        f"of which the clients received {complete:,}."
    )


def _count_requests(server: Server) -> int:
    """Requests that the service has answered so far, this one included."""
    with urllib.request.urlopen(f"http://{server.address}/metrics") as answer:
        text = answer.read().decode()
    return int(sum(map(float, re.findall(r"^cnncli_requests_total.* (\S+)$", text, re.MULTILINE)))) + 1


if __name__ == "__main__":
    main()
