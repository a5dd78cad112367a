"""A part that two processes compute at once."""

import hashlib
from pathlib import Path

from cnncli.distribution.compute import compute_part, read_stats
from cnncli.distribution.input_list import divide_list
from cnncli.distribution.plan import Plan
from cnncli.distribution.store import Store
from cnncli.distribution.tasks import Advance, PartContent, PartWorker, Sources
from cnncli.networks.model_folder import read_folder


def test_the_digest_is_that_of_the_file_that_stays(tmp_path: Path, colours: Path) -> None:
    """Probabilities may differ in their last digits between processors."""
    (tmp_path / "list").write_text("a\n")
    plan = Plan(
        {}, "{}", str(tmp_path / "list"), b"\n", ".csv", divide_list(str(tmp_path / "list"), b"\n", 1)
    )
    store = Store(str(tmp_path / "parts"))

    def compute(sources: Sources, _: Advance) -> PartContent:
        store.create("part-00000.csv", b"0.25000001")
        return PartContent(b"0.25", len(list(sources)), 0)

    worker = PartWorker(read_folder(colours).card, {}, compute)
    stats = compute_part(worker, plan, store, 0, lambda: None)
    assert stats == read_stats(0, store)
    assert stats.sha256 == hashlib.sha256(store.read("part-00000.csv")).hexdigest()
