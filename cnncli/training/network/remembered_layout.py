"""The memory layout and precision that was the fastest for a network on this machine, so that it is measured only once.

CNNCLI_HOME/layouts-1/DIGEST.json    {"layout": "channels-last", "amp": "bf16"}
"""

import hashlib
import json
import platform
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from cnncli.engines.cores import usable_cores
from cnncli.errors import OutputError
from cnncli.files.whole import write_whole
from cnncli.networks import cache
from cnncli.records.training import Amp, Layout
from cnncli.regular_file import read_document
from cnncli.text import parse_json
from cnncli.training.network.throughput import Throughput
from cnncli.training.options import TrainingOptions


def recall(file: Path, options: TrainingOptions) -> TrainingOptions:
    """The options with the remembered layout and precision; unchanged where nothing is remembered."""
    try:
        entry = parse_json(read_document(file))
        return replace(options, layout=Layout(entry["layout"]), amp=Amp(entry["amp"]))
    except (OSError, ValueError, KeyError, TypeError):
        return options


def remember(file: Path, fastest: Throughput) -> None:
    """Write down the fastest layout and precision, unless the cache cannot be written."""
    content = json.dumps({"layout": fastest.layout, "amp": fastest.amp}).encode()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, content, overwrite=True)
    except (OSError, OutputError):
        return


def memory_file(
    network: nn.Module, shape: tuple[int, int, int], options: TrainingOptions, device: torch.device
) -> Path:
    """The file for everything that the choice depends on: network, batch, what the user left open, and machine.

    Args:
        network: as it will be trained; frozen layers make other steps.
        shape: (C, H, W) of an image.
        options: batch size, layout and precision.
        device: to train on.
    """
    trained = [parameter.shape for parameter in network.parameters() if parameter.requires_grad]
    known = (
        str(network),
        str(trained),
        str((options.batch_size, *shape)),
        f"{options.layout} {options.amp}",
        torch.__version__,
        torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        platform.node(),
        f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} {usable_cores()}",
    )
    digest = hashlib.sha256("\n".join(known).encode()).hexdigest()[:32]
    return cache.home() / "layouts-1" / f"{digest}.json"
