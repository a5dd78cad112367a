"""A checkpoint of pocket's training small enough for the repository: `python -m benchmarks.checkpoint keep|restore RUN`.

`keep` writes the weights of an interrupted run, in half precision, and its history into one file beside this one; `restore`
puts them into a run of the same data that was begun with the same recipe and interrupted at once, so that
`cnncli finetune --resume RUN` goes on from there. Momentum is not kept: it is made anew within some dozen steps. The best
epoch of the history is the one that the shipped weights are from, until a later one is better.
"""

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from cnncli.networks import pocket
from cnncli.networks.model_folder import open_folder
from cnncli.records.training import Epoch
from cnncli.training import checkpoints
from cnncli.training.checkpoints import Progressed

FILE = Path(__file__).with_suffix(".safetensors")


def main() -> None:
    """Keep, or restore."""
    match sys.argv[1:]:
        case ["keep", run]:
            progressed = checkpoints.load(Path(run), print)
            keep(progressed, FILE)
        case ["restore", run]:
            progressed = restored(checkpoints.load(Path(run), print), FILE)
            checkpoints.save(Path(run), progressed)
            shipped = load_file(open_folder(pocket.FOLDER).weights)
            checkpoints.save_best(Path(run), _as_in(shipped, progressed.network))
        case _:
            raise SystemExit(__doc__)
    print(f"{FILE.name}: {progressed.epoch} epochs and {progressed.updates:,} updates are done")


def keep(progressed: Progressed, file: Path) -> None:
    """Write what a training has come to: of an epoch under way the weights count, and it begins anew."""
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in progressed.network.items()
    }
    facts = {name: getattr(progressed, name) for name in ("epoch", "updates", "seconds")}
    facts["history"] = [dataclasses.asdict(epoch) for epoch in progressed.history]
    save_file(
        {name: value.contiguous() for name, value in state.items()}, file, {"progressed": json.dumps(facts)}
    )


def restored(begun: Progressed, file: Path) -> Progressed:
    """What was kept, with the layout, arithmetic and learning rate that a run has begun with.

    Raises:
        KeyError: it is of another network.
    """
    with safe_open(file, framework="pt") as opened:
        facts = json.loads(opened.metadata()["progressed"])
    facts["history"] = [Epoch(**epoch) for epoch in facts["history"]]
    return Progressed(network=_as_in(load_file(file), begun.network), fixed=begun.fixed, **facts)


def _as_in(state: Mapping[str, Tensor], network: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: state[name].to(like.dtype) for name, like in network.items()}


if __name__ == "__main__":
    main()
