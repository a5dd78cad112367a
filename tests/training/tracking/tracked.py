"""What trackers have recorded, read with their own packages."""

from pathlib import Path
from typing import Any

import pytest


def mlflow_runs() -> list[Any]:
    """The runs of the experiment in the local store, the oldest first; each with its files and the history of its metrics."""
    client = pytest.importorskip("mlflow").MlflowClient()
    experiment = client.get_experiment_by_name("cnncli")
    assert experiment
    runs = client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])
    return [_MlflowRun(client, run) for run in runs]


class _MlflowRun:
    def __init__(self, client: Any, run: Any) -> None:
        self.status, self.name, self.settings = run.info.status, run.info.run_name, run.data.params
        self.figures = run.data.metrics
        self.files = {file.path for file in client.list_artifacts(run.info.run_id)}
        self.history = {
            name: [(item.step, item.value) for item in client.get_metric_history(run.info.run_id, name)]
            for name in self.figures
        }


def wandb_records() -> list[list[Any]]:
    """The records of each offline run, the oldest first."""
    files = sorted(Path("wandb").glob("offline-run-*/*.wandb"), key=lambda file: file.stat().st_mtime)
    return [_records(file.read_bytes()) for file in files]


_HEADER, _BLOCK, _LOG_HEADER = 7, 32768, 7


def _records(content: bytes) -> list[Any]:
    """The records of a .wandb file: protocol buffers in the log format of LevelDB."""
    proto: Any = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    records, start, message = [], _LOG_HEADER, b""
    while start + _HEADER <= len(content):
        if (room := _BLOCK - start % _BLOCK) < _HEADER:
            start += room
            continue
        length = int.from_bytes(content[start + 4 : start + 6], "little")
        kind = content[start + 6]
        start += _HEADER
        message += content[start : start + length]
        start += length
        if kind in {1, 4}:  # a whole record, or the last part of one
            record = proto.Record()
            record.ParseFromString(message)
            records.append(record)
            message = b""
    return records
