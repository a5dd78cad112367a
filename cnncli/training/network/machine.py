"""Setting up a process that trains: its device, precision, cores and memory."""

import os

import torch
from accelerate import Accelerator

from cnncli.engines.cores import usable_cores
from cnncli.engines.torch import require_device
from cnncli.records.progress import Progress
from cnncli.records.training import Amp
from cnncli.training.network.memory import keep_freed_memory
from cnncli.training.network.throughput import emulates
from cnncli.training.options import TrainingOptions


def create_accelerator(device: str, amp: Amp, progress: Progress) -> Accelerator:
    """The accelerator that runs the steps; warns about a precision that is only emulated."""
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no" if amp is Amp.OFF else str(amp))
    if emulates(accelerator.device, amp):
        progress.warning("bf16 will be slow: this device only emulates it, and --amp off would be faster")
    return accelerator


def device_name(name: str) -> str:
    """The device to train on; `auto` is CUDA where there is a GPU."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    require_device(name)
    if ":" in name or name == "mps":
        os.environ["ACCELERATE_TORCH_DEVICE"] = name
    return name


def set_up_process(processes: int) -> None:
    """Give this process its share of the cores, and keep its memory from step to step."""
    torch.set_num_threads(max(usable_cores() // processes, 1))
    keep_freed_memory()


def set_deterministic(options: TrainingOptions, seed: int) -> None:
    """Seed torch, and let it compute the same digits each time if that is chosen."""
    torch.manual_seed(seed)
    if options.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(options.deterministic)
