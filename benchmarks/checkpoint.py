"""A checkpoint of pocket's training small enough for the repository: `python -m benchmarks.checkpoint keep|restore RUN`.

`keep` writes the weights of an interrupted run, in half precision, and its history into one file beside this one. `restore`
puts them into a run of the same data that was begun with the same recipe and interrupted at once, so that
`cnncli finetune --resume RUN` goes on from there. The optimiser's momentum is not kept: some dozen steps make it anew. The
best epoch so far has to be the one that is shipped: its weights are pocket's.
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
from cnncli.training import beginning, checkpoints
from cnncli.training.checkpoints import Progressed

FILE = Path(__file__).with_suffix(".safetensors")


def main() -> None:
    """Keep, or restore."""
    match sys.argv[1:]:
        case ["keep", run]:
            done = keep(Path(run), FILE)
        case ["restore", run]:
            done = restore(Path(run), FILE, open_folder(pocket.FOLDER).weights)
        case _:
            raise SystemExit(__doc__)
    print(f"{FILE.name}: after {done.epoch} epochs and {done.updates:,} updates")


def keep(run: Path, file: Path) -> Progressed:
    """Write what a training has come to; of an epoch under way the weights count, and it begins anew.

    Raises:
        SystemExit: there is more than this file holds.
    """
    done = checkpoints.load(run, print)
    shipped = (pocket.FOLDER / "history.csv").read_text().splitlines()
    if done.best and not any(line.startswith(f"{done.best.number},") for line in shipped):
        raise SystemExit(f"epoch {done.best.number} is better than what is shipped: pack it first")
    if done.average or done.scaler:
        raise SystemExit("moving averages and the scale of losses are not kept")
    facts = {name: getattr(done, name) for name in ("epoch", "updates", "seconds")}
    facts |= {"history": [dataclasses.asdict(epoch) for epoch in done.history]}
    facts |= {"epochs": beginning.load(run).epochs}
    halved = {
        name: value.half() if value.is_floating_point() else value for name, value in done.network.items()
    }
    save_file(
        {name: value.contiguous() for name, value in halved.items()}, file, {"facts": json.dumps(facts)}
    )
    return done


def restore(run: Path, file: Path, best: Path) -> Progressed:
    """Let a run that has only begun go on from what was kept, with the weights in `best` as the best ones so far.

    Raises:
        SystemExit: the run is further than its first epoch, or of another network.
    """
    begun = checkpoints.load(run, print)
    if begun.history:
        raise SystemExit(f"{run} has epochs of its own: nothing is written")
    with safe_open(file, framework="pt") as opened:
        facts = json.loads(opened.metadata()["facts"])
    epochs = facts.pop("epochs")
    facts["history"] = [Epoch(**epoch) for epoch in facts["history"]]
    done = Progressed(network=_as_in(load_file(file), begun.network), fixed=begun.fixed, **facts)
    shipped = _as_in(load_file(best), begun.network)
    beginning.save(run, dataclasses.replace(beginning.load(run), epochs=epochs))
    checkpoints.save_best(run, shipped)
    checkpoints.save(run, done)
    return done


def _as_in(state: Mapping[str, Tensor], network: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same numbers in the types that a network has them in."""
    if {name: value.shape for name, value in state.items()} != {
        name: like.shape for name, like in network.items()
    }:
        raise SystemExit("these are another network's weights: nothing is written")
    return {name: state[name].to(like.dtype) for name, like in network.items()}


if __name__ == "__main__":
    main()
