"""cnncli classifies images, fine-tunes networks and looks inside them, from the command line and in pipelines.

A map of the package. A higher floor may import a lower one, never the other way round, and rooms on the same
floor do not import each other. import-linter checks this; a test compares the map with the files on disk.

    floor  room          what it holds                                                                    imports torch
    -----  ------------  -------------------------------------------------------------------------------  -------------
    12     __main__      entry point of cnncli and of python -m cnncli                                    no
    11     cli/          one thin file per command; shared options, error handling, stdout and stderr     no
    10     serve/        the HTTP service: requests of many clients, answered in batches                    no
    9      curation/     the loop around a data set: wrong labels, relabelling, what to label next        no
    9      sorting/      images put into folders by their predicted classes                               no
    9      sharing/      networks for others: a model card, and the files that a hub shows and timm reads          lazily
    9      api/          what `import cnncli` offers: classifiers, fine-tuning, evaluation and summaries for programs    lazily
    8      training/     fine-tuning a network, or a classifier on its features                           partly
    8      export/       a network as a file that runs without cnncli: ONNX, OpenVINO and others          partly
    8      inspection/   summaries, filters, feature maps, receptive fields, class activation maps        partly
    8      distribution/ outputs in parts: planned, computed by any number of processes, joined            no
    8      retrieval/    nearest neighbours and near-duplicates in feature space                          no
    7      evaluation/   metrics, calibration, confusion matrix, comparison of two models                 no
    6      features/     embeddings of images, cached and resumable                                       no
    6      doctor        checks of the installation: packages, devices, caches, servers                   no
    6      predict       predictions: one record per input                                                no
    5      inference     a session: a model folder opened and run over image sources, in order            lazily
    5      prepare       making a model folder from a model reference                                     lazily
    4      engines/      ONNX Runtime, OpenVINO and torch: pixels to logits and embeddings; the compiler  partly
    3      data/         labelled folders and lists, splits, data set checks, common data sets            lazily
    3      networks/     model references and folders; timm, torchvision, weights; what is predicted      partly
    2      images/       image sources, decoding, preprocessing, augmentation, the batch loader           no
    2      files/        atomic and resumable files, tables, embedding files                              no
    2      render/       records as text, tables, pictures and the report; the output formats             no
    2      web           HTTP requests and downloads, with time and size limits                           no
    2      logits        the meaning of logits: probabilities, top classes, losses                        no
    1      geometry      output sizes and receptive fields of convolutions and poolings                   no
    1      records/      frozen dataclasses shared by all rooms                                           no
    1      regular_file  opening regular files only: no pipes, no devices, no writing through links         no
    1      remote        files on servers and in object stores: listed, read, written, with retries       no
    0      errors        the error tree                                                                   no
    0      dataclass     frozen dataclasses that are quick to define                                      no
    0      interrupts    interrupts that are recorded, and handled when a step is complete                no
    0      time_limit    calls that are given up after some time, or on an event                            no
    0      window        a range of bytes as a seekable stream                                            no
    0      text          wording shared by all rooms: counts, percentages, paths                          no

The central idea is the model folder (`networks/model_folder.py`): a network with its class names, its
preprocessing and a compiled copy of itself. Every model reference that a user can type is turned into a model
folder once; after that, predicting reads only the folder and does not need torch.

Nothing heavy is imported before it is needed: `cnncli --help` and usage errors load neither torch nor NumPy
nor Pillow. The function of a command imports what it calls inside its body.
"""

import os

# Telemetry of libraries, off before any of them can be imported, for every way into the package and for the processes that
# it starts. ONNX Runtime reports to its vendor from 1.32 on (also on Linux) and reads the variable when it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["WANDB_ERROR_REPORTING"] = "false"

__version__ = "0.1.0"

TYPE_CHECKING = False  # as that of `typing`, which takes a while to import
if TYPE_CHECKING:
    from cnncli.api.classifier import Classifier as Classifier
    from cnncli.api.classifier import load as load
    from cnncli.api.commands import evaluate as evaluate
    from cnncli.api.commands import finetune as finetune
    from cnncli.api.commands import summary as summary
    from cnncli.errors import CnncliError as CnncliError
    from cnncli.records.list_columns import ListColumns as ListColumns
    from cnncli.records.predictions import Prediction as Prediction
    from cnncli.records.predictions import Unreadable as Unreadable

_PUBLIC = {
    "Classifier": "api.classifier",
    "CnncliError": "errors",
    "ListColumns": "records.list_columns",
    "Prediction": "records.predictions",
    "Unreadable": "records.predictions",
    "evaluate": "api.commands",
    "finetune": "api.commands",
    "load": "api.classifier",
    "summary": "api.commands",
}
"""The public Python API (docs/python.md): the module of each name, which is imported when the name is first used."""

__all__ = [*_PUBLIC]  # noqa: PLE0604 - names


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'cnncli' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"cnncli.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
