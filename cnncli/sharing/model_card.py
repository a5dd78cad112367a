"""The model card of a repository, README.md: what the network does, how to use it, how accurate it is, what it was trained on.

It names no file and no folder of this machine.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from huggingface_hub import EvalResult, ModelCardData

from cnncli import __version__
from cnncli.data.splits import SPLITS, read_rows
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import Split
from cnncli.records.list_columns import LABEL_COLUMN
from cnncli.records.networks import Metric, ModelCard
from cnncli.text import counted, percent, printable
from cnncli.training.settings_file import SETTINGS, RecordedSettings, read_settings

README, PICTURE = "README.md", "confusion_matrix.png"

_HELD_OUT = ("val_top1", "test_top1")
"""Metrics for the hub: accuracy on images that the network was not trained on."""

_MOST_CLASSES = 50
"""Classes that the card lists; of more it gives the number."""

_SHOWN_OPTIONS = ("tune", "classifier", "epochs", "optimizer", "lr", "batch_size", "augment", "loss", "seed")
"""Training options that the card lists; others may name files of this machine."""

_SPECIAL = str.maketrans(
    {character: f"\\{character}" for character in "\\`*_|<>[]#"} | {"\n": " ", "\r": " "}
)
"""Characters that mean something in Markdown."""

_TIMM_EXAMPLE = """\
```python
import timm
import torch
from PIL import Image

network = timm.create_model("hf-hub:{name}", pretrained=True).eval()
config = timm.data.resolve_model_data_config(network)
transform = timm.data.create_transform(**config, is_training=False)
image = transform(Image.open("photo.jpg").convert("{mode}"))[None]
with torch.inference_mode():
    probabilities = network(image).softmax(1)[0]
index = int(probabilities.argmax())
print(network.pretrained_cfg["label_names"][index], float(probabilities[index]))
```
"""

_OWN_EXAMPLE = """\
```console
$ pip install cnncli
$ cnncli predict photo.jpg -m hf-hub:{name}
```
"""


def write(network: ModelFolder, name: str, obstacle: str | None, license_: str | None) -> str:
    """The text of the model card; arguments as for `repository_files.write_files`.

    Args:
        network: what the card describes.
        name: the repository, such as `user/name`.
        obstacle: why timm cannot read the network; None if it can.
        license_: license of the weights; None if unknown.
    """
    settings = read_settings(network.path / SETTINGS) if (network.path / SETTINGS).is_file() else None
    sections = {
        "": _introduction(network.card, settings),
        "How to use it": _usage(network.card, name, obstacle),
        "Accuracy": _accuracy(network.card.metrics),
        "Confusion matrix": _confusion(network),
        "Data": _data(network, settings),
        "Training": _training(network.card, settings),
    }
    body = "\n".join(f"## {title}\n\n{text}" if title else text for title, text in sections.items() if text)
    header = _header(network.card, settings, license_, is_timm=obstacle is None)
    return f"---\n{header}\n---\n\n# {_escape(name.rpartition('/')[2])}\n\n{body}"


def _header(
    card: ModelCard, settings: RecordedSettings | None, license_: str | None, *, is_timm: bool
) -> str:
    """The metadata that the hub reads, as YAML."""
    data = ModelCardData(
        license=license_,
        library_name="timm" if is_timm else "cnncli",
        tags=["image-classification", "cnncli", *(["timm"] if is_timm else [])],
        pipeline_tag="image-classification",
        model_name=card.name if card.metrics and settings else None,
        eval_results=_results(card.metrics, _data_name(settings)) if card.metrics and settings else None,
    )
    return data.to_yaml()


def _results(metrics: Iterable[Metric], data: str) -> list[EvalResult]:
    return [
        EvalResult(
            task_type="image-classification",
            dataset_type="imagefolder",
            dataset_name=data,
            dataset_split=metric.name.partition("_")[0],
            metric_type="accuracy",
            metric_value=round(metric.value, 4),
        )
        for metric in metrics
        if metric.name in _HELD_OUT
    ]


def _introduction(card: ModelCard, settings: RecordedSettings | None) -> str:
    names = ", ".join(map(_escape, card.class_names[:_MOST_CLASSES]))
    rest = len(card.class_names) - _MOST_CLASSES
    more = f" and {rest:,} more" if rest > 0 else ""
    classes = counted(len(card.class_names), "class", "classes")
    lines = [
        f"An image classifier with {classes}: {names}{more}."
        if card.class_names
        else "A network that turns images into features."
    ]
    lines += [
        f"\nIts task {_escape(task.name)} has {counted(len(task.class_names), 'class', 'classes')}, of which "
        f"{'exactly one is' if task.thresholds is None else 'any number can be'} right."
        for task in card.tasks
    ]
    if settings:
        lines.append(
            f"\nIt was made from {_escape(settings.base_model)}, fine-tuned on {_escape(_data_name(settings))} "
            f"with cnncli {__version__}."
        )
    return "\n".join(lines) + "\n"


def _data_name(settings: RecordedSettings | None) -> str:
    """The name of the data folder, without the path to it."""
    path = str(settings.options.get("data", "")) if settings else ""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2] or "images"


def _usage(card: ModelCard, name: str, obstacle: str | None) -> str:
    own = _OWN_EXAMPLE.format(name=name)
    if obstacle is None:
        mode = "L" if card.preprocessing.channels == 1 else "RGB"
        return f"With timm:\n\n{_TIMM_EXAMPLE.format(name=name, mode=mode)}\nWith cnncli:\n\n{own}"
    return f"{own}\nThese files are a model folder of cnncli, and no other program reads them: {obstacle}.\n"


def _accuracy(metrics: Sequence[Metric]) -> str:
    """A table of the metrics."""
    if not metrics:
        return ""
    rows = [
        (
            metric.name,
            percent(metric.value),
            f"{percent(metric.low)} to {percent(metric.high)}",
            f"{metric.images:,}",
        )
        for metric in metrics
    ]
    return _table(("metric", "value", "95 % interval", "images"), rows) + (
        "\nImages of `train` were learned from, those of `val` decided which network was kept, and those of `test` did neither.\n"
    )


def _confusion(network: ModelFolder) -> str:
    if not (network.path / PICTURE).is_file():
        return ""
    return f"Of the images of `val`: true classes in rows, predicted ones in columns.\n\n![Confusion matrix]({PICTURE})\n"


def _data(network: ModelFolder, settings: RecordedSettings | None) -> str:
    """A table of the number of images of each class in each split."""
    if settings is None or not (network.path / SPLITS).is_file():
        return ""
    columns = () if network.card.tasks else (LABEL_COLUMN,)
    counts = Counter((row.labels, row.split) for row in read_rows(network.path, columns))
    labels = sorted({label for label, _ in counts})
    rows = [_counts_row(label[0], [label], counts) for label in labels if label] if columns else []
    if len(rows) > _MOST_CLASSES:
        rows = []
    return _table(("class", *Split, "total"), [*rows, _counts_row("total", labels, counts)])


def _counts_row(
    name: str, labels: Sequence[tuple[str, ...]], counts: Mapping[tuple[tuple[str, ...], Split], int]
) -> tuple[str, ...]:
    numbers = [sum(counts.get((label, split), 0) for label in labels) for split in Split]
    return (_escape(name), *(f"{number:,}" for number in [*numbers, sum(numbers)]))


def _training(card: ModelCard, settings: RecordedSettings | None) -> str:
    """A table of the options, the weights that training started from, and the versions of packages."""
    if settings is None:
        return ""
    options = [
        (f"`{name}`", _escape(str(settings.options[name])))
        for name in _SHOWN_OPTIONS
        if name in settings.options
    ]
    height, width = card.preprocessing.size
    versions = ", ".join(f"{name} {version}" for name, version in settings.versions.items())
    rows = [
        *options,
        ("images", f"{height} x {width} pixels"),
        ("first weights", _escape(settings.weights)),
        ("versions", _escape(versions)),
    ]
    return _table(("option", "value"), rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _escape(text: str) -> str:
    """Text as Markdown shows it unchanged, on one line."""
    return printable(text.translate(_SPECIAL))
