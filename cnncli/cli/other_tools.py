"""Hints for commands and options of other tools: Ultralytics, timm's scripts, fastai, Hugging Face, Keras."""

import os
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from cnncli.errors import UsageError
from cnncli.text import quote

COMMANDS = {
    "classify": "cnncli predict",
    "infer": "cnncli predict",
    "inference": "cnncli predict",
    "train": "cnncli finetune",
    "fit": "cnncli finetune",
    "tune": "cnncli finetune",
    "val": "cnncli evaluate",
    "validate": "cnncli evaluate",
    "test": "cnncli evaluate",
    "eval": "cnncli evaluate",
    "benchmark": "cnncli evaluate; cnncli summary counts operations",
    "info": "cnncli summary",
    "download": "cnncli pull, or cnncli datasets get for data sets",
    "list": "cnncli models",
    "embed": "cnncli features",
    "search": "cnncli similar",
    "convert": "cnncli export",
    "gradcam": "cnncli cam",
    "explain": "cnncli cam",
    "visualize": "cnncli filters, cnncli maps or cnncli cam",
    "split": "cnncli finetune, which holds out --val-split itself",
    "augment": "cnncli finetune DATA --tune full --preview FILE.png",
    "checks": "cnncli doctor",
    "settings": "cnncli doctor",
    "version": "cnncli --version",
    "help": "cnncli --help",
    "resume": "cnncli finetune --resume RUN",
    "preview": "cnncli finetune DATA --tune full --preview FILE.png",
}
"""Our commands, by the names of those of other tools."""

_OTHER_TASKS = frozenset({"detect", "segment", "pose", "track", "obb"})

_OPTIONS = (
    ("--threshold", ("conf", "confidence", "min-conf", "thresh")),
    ("--img-size", ("imgsz", "image-size", "input-size", "size", "resolution", "img", "crop-size", "resize")),
    ("--batch-size", ("batch", "bs", "per-device-train-batch-size", "train-batch-size")),
    ("--workers", ("num-workers", "dataloader-num-workers", "jobs", "threads")),
    ("--topk", ("top-k", "top", "top5", "num-top", "n")),
    ("--files-from", ("list", "filelist", "input-list")),
    ("--tta", ("augment",)),
    ("--precision fp16", ("half", "fp16", "amp")),
    ("--precision bf16", ("bf16",)),
    ("--amp", ("fp16", "bf16", "half", "mixed-precision")),
    ("--half", ("fp16",)),
    ("--quantize int8", ("int8",)),
    ("--device", ("gpu", "gpus", "cuda", "cpu", "no-cuda", "mps", "use-cpu")),
    ("--normalize imagenet, or --normalize 'mean 0.5; std 0.25'", ("mean", "std", "mean-std", "normalise", "normalization")),
    ("--lr", ("learning-rate", "lr0", "base-lr", "init-lr")),
    ("--min-lr", ("lrf", "final-lr")),
    ("--opt", ("optimizer", "optim", "optimiser")),
    ("--sched", ("scheduler", "lr-scheduler", "lr-scheduler-type", "cos-lr")),
    ("--epochs", ("num-epochs", "num-train-epochs", "n-epochs", "epoch", "n-epoch")),
    ("--weight-decay", ("wd", "l2")),
    ("--warmup-epochs", ("warmup", "warmup-steps", "warmup-ratio")),
    ("--patience", ("early-stopping", "early-stopping-patience", "early-stop")),
    ("--val-split", ("validation-split", "valid-pct", "val-pct", "train-val-split", "test-size", "split")),
    ("--smoothing", ("label-smoothing", "label-smoothing-factor")),
    ("--drop", ("dropout", "drop-rate")),
    ("--drop-path", ("drop-path-rate", "stochastic-depth")),
    ("--model-ema-decay", ("ema", "model-ema")),
    ("--clip-grad", ("clip-grad-norm", "max-grad-norm", "gradient-clip-val")),
    ("--grad-accum-steps", ("accumulate", "gradient-accumulation-steps")),
    ("--class-weights balanced", ("class-weight", "weighted", "balanced")),
    ("--tune head, or --tune last:N", ("freeze", "freeze-epochs", "freeze-backbone", "unfreeze", "finetune")),
    ("--tune scratch for random weights; weights are pretrained otherwise", ("pretrained", "from-scratch")),
    ("--reprob", ("random-erase", "random-erasing", "erasing")),
    ("--hflip", ("fliplr", "flip", "horizontal-flip")),
    ("--vflip", ("flipud", "vertical-flip")),
    ("--rotate", ("degrees", "rotation")),
    ("--aa", ("auto-augment", "randaugment", "autoaugment")),
    ("--augment", ("augmentation", "no-aug", "data-augmentation")),
    ("--resume", ("resume-from", "resume-from-checkpoint", "continue")),
    ("--class", ("target", "target-class", "target-category", "label")),
    ("--layer", ("target-layer", "target-layers", "layer-name")),
    ("--overwrite", ("exist-ok", "force", "overwrite-output-dir", "yes", "y", "clobber")),
    ("--format", ("save-txt", "save-json", "json", "csv", "as-json", "markdown", "output-format")),
    ("--sheet FILE.png", ("save", "save-img", "visualize", "plot", "show")),
    ("--output", ("output-dir", "out-dir", "save-dir", "project", "name", "exp", "experiment", "logdir", "outdir", "dest")),
    ("--track wandb", ("wandb", "log-wandb", "wandb-project")),
    ("--track mlflow", ("mlflow", "log-mlflow")),
    ("--offline", ("no-download", "local-files-only")),
    ("--quiet", ("silent", "no-progress")),
    ("-m MODEL", ("arch", "architecture", "net", "network", "backbone", "model-name", "model-name-or-path", "checkpoint")),
    ("--weights", ("ckpt", "initial-checkpoint", "pretrained-path", "state-dict")),
    ("--labels", ("class-names", "names", "classes", "label-file")),
    ("--num-classes", ("nc", "classes")),
    ("--path-column", ("image-column", "file-column", "fn-col")),
    ("--label-column", ("label-col", "target-column")),
)  # fmt: skip
"""Our options and their names in other tools; the first one that the command has is suggested."""

_ARGUMENTS = frozenset(
    {"data", "data-dir", "train-dir", "dataset", "source", "input", "inputs", "image", "images", "folder", "path", "dir"}
)  # fmt: skip
_MODELS = frozenset({"model", "models"})
_ANYWHERE = {
    "recursive": "folders are searched recursively without an option",
    "r": "folders are searched recursively without an option",
    "debug": "set CNNCLI_DEBUG=1 for tracebacks",
    "nc": "the number of classes is that of the data or the model",
    "num-classes": "the number of classes is that of the data or the model",
    "plots": "evaluate DATA -m MODEL -o DIR draws plots",
    **dict.fromkeys(
        ("mean", "std", "normalize"),
        "a model has its own normalisation; for an ONNX file: cnncli pull FILE --normalize TEXT",
    ),
    "task": "every command works on whole images and their classes, without --task",
}


def hint_for_command(name: str) -> str | None:
    """The hint for a command of another tool; None for an unknown one."""
    if name.lower() in _OTHER_TASKS:
        return "cnncli classifies whole images; it neither detects objects nor segments images"
    return f"use {COMMANDS[name.lower()]}" if name.lower() in COMMANDS else None


def hint_for_option(option: str, own: AbstractSet[str], arguments: str, command: str) -> str | None:
    """The hint for an option of another tool; None for an unknown one.

    Args:
        option: as it was typed, such as `--conf`.
        own: the options of the command.
        arguments: the command's arguments, as its usage line shows them.
        command: as it is called, such as `cnncli predict`.
    """
    name = option.lstrip("-").lower().replace("_", "-")
    if f"--{name}" in own:
        return f"use --{name}"
    for ours, theirs in _OPTIONS:
        if name in theirs and (
            ours.split()[0].rstrip(",") in own or (ours.endswith("MODEL") and own & _MODELS)
        ):
            return f"use {ours}"
    if name in _ARGUMENTS and arguments:
        return f"give it without an option: {command} {arguments}"
    return _ANYWHERE.get(name)


def hint_for_extra(command: str, values: Mapping[str, object], extra: str) -> str:
    """What to do about arguments that a command does not take.

    Args:
        command: as it is called, such as `cnncli predict`.
        values: those of its options and arguments, by name.
        extra: the arguments that are too many, separated by spaces.
    """
    data = values.get("data")
    if command == "cnncli datasets list":
        return _data_set_hint(extra.partition(" ")[0])
    if isinstance(data, str):
        return _data_hint(command, Path(data), extra)
    if command == "cnncli models list":
        return "give one pattern, in quotes: cnncli models 'resnet*'"
    if "image" in values:
        return f'give one image at a time: for FILE in ...; do {command} "$FILE"; done'
    return f"{command} --help"


def _data_hint(command: str, data: Path, extra: str) -> str:
    from cnncli.networks.model_folder import is_model_folder

    if command == "cnncli evaluate" and (is_model_folder(Path(extra)) or not os.path.isdir(extra)):  # noqa: PTH112
        return f"cnncli evaluate {quote(data)} -m {quote(extra)}"
    if data.name and data.parent.name and Path(extra).parent == data.parent:
        return f"give the folder that holds both: {command} {quote(data.parent)}"
    return "give one folder; its splits are folders train/, val/ and test/ in it"


def _data_set_hint(name: str) -> str:
    from cnncli.data.catalogue import DATA_SETS

    if name in DATA_SETS:
        return f"to download it: cnncli datasets get {name} {name}/"
    return f"`cnncli datasets` lists the data sets; {name} is none of them"


_ASSIGNMENT = re.compile(r"([A-Za-z][\w-]*)=(\S+)")


def require_no_assignments(words: Sequence[str], own: AbstractSet[str]) -> None:
    """Refuse `model=resnet50`, as Ultralytics writes options.

    Args:
        words: of a command line.
        own: the options of the command.

    Raises:
        UsageError: a word is an assignment to an option, and no file.
    """
    for word in words:
        match = _ASSIGNMENT.fullmatch(word)
        if match is None or os.path.exists(word):  # noqa: PTH110 - False for any text
            continue
        name = match[1].lower().replace("_", "-")
        if f"--{name}" in own or name in own:
            option = match[2] if name in own else f"--{name} {match[2]}"
            raise UsageError(f"{word} is not an option", f"options begin with dashes; write {option}")
        if name in _ARGUMENTS:
            raise UsageError(f"{word} is not an option", f"write {match[2]} alone")
        if hint := hint_for_option(name, own, "", ""):
            raise UsageError(f"{word} is not an option", hint)
