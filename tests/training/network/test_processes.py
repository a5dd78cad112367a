"""Two machines that train together, played by two torchruns with caches and working folders of their own."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file

from tests.training.small_runs import PLAIN

EPOCHS = 30


def start_nodes(folder: Path, arguments: list[str]) -> list["subprocess.Popen[bytes]"]:
    """Start both machines."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    torchrun += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--max-restarts", "2"]
    nodes = []
    for name in ("a", "b"):
        (folder / name).mkdir()
        environment = os.environ | {"CNNCLI_HOME": str(folder / name / "home"), "OMP_NUM_THREADS": "1"}
        environment["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"  # or addresses of before a restart stay in it
        with (folder / name / "output").open("wb") as output:
            command = [*torchrun, *arguments, "-o", "run"]
            nodes.append(
                subprocess.Popen(command, cwd=folder / name, env=environment, stdout=output, stderr=output)
            )
    return nodes


def kill_worker(nodes: list["subprocess.Popen[bytes]"], rank: str) -> None:
    workers = [worker for node in nodes for worker in psutil.Process(node.pid).children()]
    (worker,) = [worker for worker in workers if worker.environ().get("RANK") == rank]
    worker.kill()


def wait_for_epoch(folder: Path, epoch: int) -> Path:
    """Wait until this many epochs are done; the run's folder, which only one of the machines has."""
    while True:
        for history in folder.glob("*/run/history.csv"):
            if len(history.read_text().splitlines()) > epoch:
                return history.parent
        time.sleep(0.05)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_two_machines_train_as_one_process_although_their_processes_are_killed(
    data: Path, tmp_path: Path
) -> None:
    arguments = ["-m", "cnncli", "finetune", str(data), "-m", PLAIN, "--tune", "scratch", "-b", "8"]
    arguments += ["--epochs", str(EPOCHS), "--amp", "off", "--layout", "nchw", "--device", "cpu"]
    subprocess.run([sys.executable, *arguments, "-o", tmp_path / "alone"], check=True)
    nodes = start_nodes(tmp_path, arguments)
    try:
        for rank, epoch in (("1", 3), ("0", 12)):
            run = wait_for_epoch(tmp_path, epoch)
            kill_worker(nodes, rank)
        assert [node.wait(600) for node in nodes] == [0, 0]
    finally:
        for node in nodes:
            node.terminate()
    one, two = (load_file(folder / "model.safetensors") for folder in (tmp_path / "alone", run))
    assert max(float(np.abs(one[name] - two[name]).max()) for name in one) < 1e-5
    messages = (run.parent / "output").read_text()
    assert messages.count("resuming run: ") == 2
    assert "error: the connection to another process that trains run is lost" in messages
    assert len(list(tmp_path.glob("*/run"))) == 1
