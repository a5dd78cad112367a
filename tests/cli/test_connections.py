"""Nothing is reported to anybody: no command opens a connection by itself, not from native code or child processes either."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, Program

SECONDS = 20
"""How long each process lives at least; ONNX Runtime waits almost ten seconds before it reports."""

RUN_ALL = """
import json, sys, time
from cnncli.cli.app import app

for line in json.loads(sys.argv[1]):
    code = app(line, standalone_mode=False) or 0
    if code:
        print(line, code, file=sys.stderr)
sys.stdout.flush()
time.sleep(SECONDS)
""".replace("SECONDS", str(SECONDS))
"""Runs all command lines (JSON) in one process, which then lives on."""

COUNTERS = """
from pathlib import Path

lines = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines()]
counts = {
    names[0] + name: int(value)
    for names, values in zip(lines[::2], lines[1::2])
    for name, value in zip(names[1:], values[1:])
}
print(sum(counts[name] for name in ("Ip:OutNoRoutes", "Ip:OutRequests", "Tcp:ActiveOpens", "Udp:OutDatagrams")))
"""
"""Prints how often processes of this network namespace tried to send anything over IPv4."""

SAMPLES = ROOT / "sample_images"


def commands(folder: Path, tiny: Path) -> list[list[str | Path]]:
    """Every command that computes without a download; the outputs go to the folder."""
    lemon, labelled = SAMPLES / "lemon.jpg", SAMPLES / "labelled"
    engines = [name for name in ("torch", "openvino") if importlib.util.find_spec(name)]
    lines: list[list[str | Path]] = [["predict", lemon, "-m", tiny, "--engine", name] for name in engines]
    return [
        *lines,
        ["predict", lemon, "--sheet", folder / "sheet.png"],
        ["predict", lemon, "-m", "test_vit", "--no-pretrained"],
        ["finetune", labelled, "--tune", "features", "-o", folder / "features"],
        [
            "finetune",
            labelled,
            "-m",
            "lenet5",
            "--tune",
            "scratch",
            "--epochs",
            "1",
            "-o",
            folder / "scratch",
        ],
        ["evaluate", labelled, "-m", "pocket"],
        ["check", labelled],
        ["datasets"],
        ["summary", "resnet18"],
        ["models"],
        ["features", labelled, "-o", folder / "features.npz"],
        ["similar", lemon, "--in", labelled],
        ["filters", tiny, "-o", folder / "filters.png"],
        ["maps", lemon, "-m", tiny, "-o", folder / "maps.png"],
        ["convolve", lemon, "--kernel", "sobel-x", "-o", folder / "convolve.png"],
        ["cam", lemon, "-m", tiny, "-o", folder / "cam.png"],
        ["receptive", lemon, "-m", tiny, "-o", folder / "receptive.png"],
        ["export", "pocket", "-o", folder / "pocket.onnx"],
        ["doctor", "--offline"],
    ]


@pytest.fixture
def proxy() -> Iterator[tuple[dict[str, str], list[bytes]]]:
    """The environment that names a proxy, and the requests that it receives; it answers none."""
    requests: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection = server.accept()[0]
            except OSError:  # closed
                return
            with connection:
                requests.append(connection.recv(200))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        names = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
        yield {spelling: address for name in names for spelling in (name, name.lower())}, requests
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_nothing_is_reported_and_nothing_is_left_in_the_home_folder(
    program: Program, tmp_path: Path, proxy: tuple[dict[str, str], list[bytes]]
) -> None:
    """ONNX Runtime's telemetry stores a device's identity there as soon as it is imported."""
    (tmp_path / "home").mkdir()
    result = program("predict", SAMPLES / "lemon.jpg", HOME=str(tmp_path / "home"), **proxy[0])
    assert result.returncode == 0, result.stderr
    assert not list((tmp_path / "home").iterdir())
    assert not proxy[1]


def run_all(
    lines: list[list[str | Path]], environment: dict[str, str], *, prefix: list[str], then: str = ""
) -> str:
    """Run command lines of cnncli, and `then` in the same process; each must succeed."""
    script = f"{RUN_ALL}\n{then}"
    texts = json.dumps([[str(word) for word in line] for line in lines])
    result = subprocess.run(
        [*prefix, sys.executable, "-c", script, texts],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    errors = [line for line in result.stderr.splitlines() if line.startswith(("error", "["))]
    assert not errors, errors
    return result.stdout


@pytest.mark.slow
def test_no_command_asks_a_proxy(
    tmp_path: Path, tiny: Path, proxy: tuple[dict[str, str], list[bytes]]
) -> None:
    run_all(commands(tmp_path, tiny), proxy[0] | {"HOME": str(tmp_path)}, prefix=[])
    assert not proxy[1]
    run = [sys.executable, "-m", "cnncli", "doctor"]
    subprocess.run(run, env=os.environ | proxy[0], check=False, capture_output=True)
    assert proxy[1]  # so the proxy is awake


@pytest.fixture
def namespace() -> list[str]:
    """The beginning of a command line that runs in a network namespace of its own, which leads nowhere."""
    line = ["unshare", "--map-root-user", "--net"]
    if not shutil.which("unshare") or subprocess.run([*line, "true"], check=False).returncode:
        pytest.skip("needs permission to create network namespaces")
    return line


ATTEMPT = """
import socket
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as client:
        assert client.connect_ex(("192.0.2.1", 443))
"""


def test_the_counters_of_a_namespace_see_every_attempt(namespace: list[str]) -> None:
    script = f"{ATTEMPT}{COUNTERS}"
    result = subprocess.run([*namespace, sys.executable, "-c", script], capture_output=True, check=True)
    assert int(result.stdout) == 2
    result = subprocess.run([*namespace, sys.executable, "-c", COUNTERS], capture_output=True, check=True)
    assert int(result.stdout) == 0


@pytest.mark.full
def test_no_command_sends_anything(tmp_path: Path, tiny: Path, namespace: list[str]) -> None:
    """Also seen: what takes no notice of a proxy."""
    proxies = {name: "" for name in os.environ if name.lower().endswith("_proxy")}
    environment = proxies | {"HOME": str(tmp_path)}
    output = run_all(commands(tmp_path, tiny), environment, prefix=namespace, then=COUNTERS)
    assert output.splitlines()[-1] == "0"
