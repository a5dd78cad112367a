"""Parts on Ray: whatever dies, the parts are those of one process."""

import dataclasses
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnncli.distribution.compute import Outcome, compute_parts, mark_success
from cnncli.distribution.on_ray import ATTEMPTS, RayOptions, Worker, _pool_size, compute_on_ray
from cnncli.distribution.plan import Plan, PlanInputs, make_plan
from cnncli.distribution.store import Store
from cnncli.distribution.tasks import PartTask, PartWorker, PredictTask, Resources
from cnncli.errors import InputError, UsageError
from cnncli.images.sources import ImageInput, sources
from cnncli.networks.predict_settings import PredictSettings
from cnncli.networks.reference import Reference
from cnncli.records.progress import NullProgress, Progress
from cnncli.render.formats import Format

PART = 3
HERE = RayOptions(None, 1, 0)


@dataclass(frozen=True)
class Fragile:
    """A task whose process dies in one part, the first few times.

    Attributes:
        task: the rest of it.
        deadly: name of an image of that part.
        lives: folder in which the deaths are counted.
        deaths: how many times it dies.
    """

    task: PredictTask
    deadly: str
    lives: str
    deaths: int

    command = "predict"
    ending = ".csv"

    def open(self, resources: Resources, progress: Progress) -> PartWorker:
        worker = self.task.open(resources, progress)
        return dataclasses.replace(
            worker, compute=lambda inputs, advance: worker.compute(map(self.die, inputs), advance)
        )

    def die(self, source: ImageInput | None) -> ImageInput | None:
        lives = Path(self.lives)
        if source and source.path.endswith(self.deadly) and len(list(lives.iterdir())) < self.deaths:
            (lives / str(os.getpid())).touch()
            os._exit(1)
        return source


@dataclass(frozen=True)
class Setting:
    """Images, and what one process makes of them."""

    task: PredictTask
    inputs: PlanInputs
    expected: Mapping[str, bytes]

    def plan(self, store: Store, task: PartTask | None = None) -> Plan:
        worker = self.task.open(Resources(threads=1), NullProgress())
        return make_plan(task or self.task, worker, self.inputs, store, None, size=PART)


def parts_of(store: Store) -> dict[str, bytes]:
    return {name: store.read(name) for name in store.names() if name.startswith("part-")}


@pytest.fixture
def setting(tmp_path: Path, colours: Path) -> Setting:
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(14):
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(folder / f"{number:02d}.png")
    (folder / "04.png").write_bytes(b"nothing")
    task = PredictTask(Reference(str(colours)), PredictSettings(), Format.CSV)
    inputs = PlanInputs(str(folder), lambda: sources([str(folder)]))
    setting, store = Setting(task, inputs, {}), Store(str(tmp_path / "expected"))
    plan = setting.plan(store)
    worker = task.open(Resources(threads=1), NullProgress())
    compute_parts(worker, plan, store, range(len(plan.parts)), lambda: None)
    return Setting(task, inputs, parts_of(store))


def test_a_cluster_that_cannot_be_reached_is_one_line(setting: Setting, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    nowhere = RayOptions("ray://127.0.0.1:9", 1, 0)
    with pytest.raises(InputError, match=r"cannot connect to Ray at ray://127.0.0.1:9: .*refused"):
        compute_on_ray(setting.task, str(tmp_path), [0], nowhere, lambda: None)


@pytest.fixture(scope="module")
def cluster(home: Path) -> Iterator[Any]:
    """A cluster of two cores, to which tests may add machines."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNCLI_HOME", str(home))
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
        ray.init(cluster.address, log_to_driver=False)
        try:
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
class TestCluster:
    def test_parts_are_those_of_one_process(self, setting: Setting, tmp_path: Path) -> None:
        store = Store(str(tmp_path / "parts"))
        plan = setting.plan(store)
        advanced: list[None] = []
        outcome = compute_on_ray(
            setting.task, str(store), range(len(plan.parts)), HERE, lambda: advanced.append(None)
        )
        assert outcome == Outcome(14, 1, [])
        assert parts_of(store) == setting.expected
        assert len(advanced) == 14

    def test_a_part_whose_worker_dies_is_computed_by_another(self, setting: Setting, tmp_path: Path) -> None:
        store, lives = Store(str(tmp_path / "parts")), tmp_path / "lives"
        lives.mkdir()
        task = Fragile(setting.task, "07.png", str(lives), ATTEMPTS - 1)
        plan = setting.plan(store, task)
        outcome = compute_on_ray(task, str(store), range(len(plan.parts)), HERE, lambda: None)
        assert len(list(lives.iterdir())) == ATTEMPTS - 1
        assert outcome == Outcome(14, 1, [])
        assert parts_of(store) == setting.expected

    def test_a_part_that_kills_every_worker_is_given_up_and_the_others_are_finished(
        self, setting: Setting, tmp_path: Path
    ) -> None:
        store, lives = Store(str(tmp_path / "parts")), tmp_path / "lives"
        lives.mkdir()
        task = Fragile(setting.task, "07.png", str(lives), 1000)
        plan = setting.plan(store, task)
        outcome = compute_on_ray(task, str(store), range(len(plan.parts)), HERE, lambda: None)
        assert [(failure.number, failure.reason) for failure in outcome.failures] == [
            (2, "its worker died (3 attempts)")
        ]
        assert mark_success(plan, store) == [2]
        assert parts_of(store) == {
            name: part for name, part in setting.expected.items() if "00002" not in name
        }

    def test_a_machine_that_is_lost_costs_nothing(
        self, setting: Setting, tmp_path: Path, cluster: Any
    ) -> None:
        store = Store(str(tmp_path / "parts"))
        plan = setting.plan(store)
        node = cluster.add_node(num_cpus=2)
        removed: list[None] = []

        def remove() -> None:
            if not removed:
                removed.append(None)
                cluster.remove_node(node)

        outcome = compute_on_ray(setting.task, str(store), range(len(plan.parts)), HERE, remove)
        assert removed
        assert outcome == Outcome(14, 1, [])
        assert parts_of(store) == setting.expected

    def test_a_machine_that_differs_is_named(self, setting: Setting, tmp_path: Path) -> None:
        store = Store(str(tmp_path / "parts"))
        setting.plan(store)
        other = PredictTask(setting.task.reference, PredictSettings(topk=1), Format.CSV)
        with pytest.raises(InputError, match=r"a worker cannot compute: .*: topk was 3 and is now 1"):
            compute_on_ray(other, str(store), [0], HERE, lambda: None)

    def test_a_cluster_that_is_too_small_is_one_line(self, setting: Setting, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="a worker needs 64 CPUs, and the cluster has"):
            compute_on_ray(setting.task, str(tmp_path), [0], RayOptions(None, 64, 0), lambda: None)


def test_a_worker_that_does_not_see_the_plan_says_so(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where a worker goes, too; restored afterwards
    worker = Worker(setting.task, str(tmp_path / "elsewhere"), str(tmp_path), None)
    assert (worker.open() or "").endswith(
        "it does not see the plan; use a folder or store that all machines share"
    )


@pytest.mark.parametrize(
    ("cluster", "options", "expected"),
    [
        ({"CPU": 8.0}, RayOptions(None, 1, 0), 8),
        ({"CPU": 8.0}, RayOptions(None, 3, 0), 2),
        ({"CPU": 800.0}, RayOptions(None, 1, 0), 100),
        ({"CPU": 8.0, "GPU": 2.0}, RayOptions(None, 1, 0.5), 4),
    ],
)
def test_there_are_as_many_workers_as_there_is_room_for(
    cluster: dict[str, float], options: RayOptions, expected: int
) -> None:
    assert _pool_size(cluster, options, 100) == expected
