"""MLflow: the experiment is MLFLOW_EXPERIMENT_NAME or `cnncli`, the store MLFLOW_TRACKING_URI or MLflow's own default."""

import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnncli.errors import TrainingError
from cnncli.training.tracking.tracker import INTERRUPTED, PROJECT, RunDescription, TrackedRun

_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"

_STATUS = {0: "FINISHED", INTERRUPTED: "KILLED"}


def open_run(run: RunDescription, earlier: TrackedRun | None) -> "MlflowRun":
    """Start a run in MLflow, or go on with an earlier one.

    Raises:
        TrainingError: the store does not have the earlier run.
    """
    os.environ.setdefault(_RETRIES, "2")  # as MLflow's own 7 hide for minutes that there is no server
    import mlflow
    from mlflow.entities import Param

    client = mlflow.MlflowClient()
    if earlier:
        _resume(client, earlier)
        return MlflowRun(client, earlier.run_id)
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT
    experiment = client.get_experiment_by_name(name)
    number = experiment.experiment_id if experiment else client.create_experiment(name)
    created = client.create_run(number, run_name=run.name)
    settings = [Param(_valid(key), str(value)) for key, value in run.settings.items()]
    client.log_batch(created.info.run_id, params=settings)
    return MlflowRun(client, created.info.run_id)


def _resume(client: Any, earlier: TrackedRun) -> None:  # noqa: ANN401 - MLflow may not be installed
    from mlflow.exceptions import MlflowException

    try:
        client.update_run(earlier.run_id, status="RUNNING")
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise TrainingError(
            f"{_plain(client.tracking_uri)} has no run {earlier.run_id}, which was tracked in {earlier.location}; "
            "MLFLOW_TRACKING_URI names the store"
        ) from error


class MlflowRun:
    """A run in MLflow."""

    hint = ""

    def __init__(self, client: Any, run_id: str) -> None:  # noqa: ANN401 - MLflow may not be installed
        """Take a run.

        Args:
            client: an `MlflowClient`.
            run_id: identifier of the run.
        """
        self._client, self.run_id = client, run_id

    @property
    def location(self) -> str:
        """The store."""
        return _plain(self._client.tracking_uri)

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        """Log figures of an epoch."""
        from mlflow.entities import Metric

        now = round(time.time() * 1000)
        metrics = [Metric(_valid(name), value, now, epoch) for name, value in figures.items()]
        self._client.log_batch(self.run_id, metrics=metrics)

    def finish(self, figures: Mapping[str, float], files: Sequence[Path]) -> None:
        """Log the final figures, and upload files."""
        self.log(figures, 0)
        for file in files:
            self._client.log_artifact(self.run_id, str(file))

    def close(self, exit_code: int) -> None:
        """End the run."""
        self._client.set_terminated(self.run_id, _STATUS.get(exit_code, "FAILED"))


def _valid(name: str) -> str:
    """A name that MLflow accepts."""
    return re.sub(r"[^\w\-. :/]", "_", name)


def _plain(uri: str) -> str:
    """An address without user and password."""
    return re.sub(r"//[^/@]*@", "//", uri)
