"""The error tree: everything that cnncli says went wrong, with what to do about it.

    CnncliError                 exit code 1: nothing could be done
    ├── UsageError              exit code 2: options that do not fit together
    ├── InputError              the list of inputs cannot be read, or no input holds an image
    ├── OutputError             a result cannot be written, or would overwrite another
    ├── ModelNotFoundError      a model's name means nothing here
    ├── ModelFolderError        a model folder is incomplete, damaged, or of another version
    ├── WeightsError            weights that cannot be had, read, or do not fit
    ├── CompileError            a network that ONNX cannot express
    ├── MissingPackageError     an optional package is needed for this
    ├── DataError               labelled data that is not there, or that nothing can be learned from
    ├── TrainingError           a training that cannot begin, go on, or come to something
    ├── TrainingStopped         exit code 130: interrupted, saved, can go on
    ├── GeometryError           a layer does not fit onto its input
    ├── BlueprintError          a network's description cannot be read
    ├── NotANumberError         a network answers with infinities or worse
    └── OutOfMemoryError        a batch does not fit into the device's memory

An image that cannot be read is no error: it is a record (`records.predictions.Unreadable`).
"""


class CnncliError(Exception):
    """Something that a person can mend: one line on what is wrong, and a hint on what to do.

    Args:
        message: what went wrong, and where; one line, no full stop.
        hint: what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(CnncliError):
    """Options that are fine one by one, but not together."""

    exit_code = 2


class InputError(CnncliError):
    """The inputs as a whole cannot be had: a list that cannot be read, a folder without images."""


class OutputError(CnncliError):
    """A result cannot be written where it was asked for."""


class ModelNotFoundError(CnncliError):
    """What was typed names no network."""


class ModelFolderError(CnncliError):
    """A model folder that must not be trusted."""


class WeightsError(CnncliError):
    """Weights that cannot be had, cannot be read safely, or belong to another network."""


class CompileError(CnncliError):
    """A network that could not be expressed in ONNX, or whose compiled copy answers differently."""


class MissingPackageError(CnncliError):
    """A capability whose package is not installed."""


class DataError(CnncliError):
    """Labelled data that cannot be found, is not labelled, or has nothing to learn from."""


class TrainingError(CnncliError):
    """A training that cannot begin, cannot go on from where it stopped, or has lost its way."""


class TrainingStopped(CnncliError):  # noqa: N818 - nothing went wrong
    """A training that was interrupted, saved what it had come to, and can go on."""

    exit_code = 130


class GeometryError(CnncliError):
    """Sizes that do not go together: a kernel larger than its image, branches that do not match."""


class BlueprintError(CnncliError):
    """A blueprint with a word that means nothing, or in the wrong place."""


class NotANumberError(CnncliError):
    """An answer that overflowed, which must not be written down as one."""


class OutOfMemoryError(CnncliError):
    """A batch that the device has no memory for."""
