"""The error tree: every error that users can fix, with a hint.

    CnncliError                 exit code 1: nothing could be done
    ├── UsageError              exit code 2: invalid options, or a combination that makes no sense
    ├── InputError              the list of inputs cannot be read, or no input is an image
    ├── OutputError             a result cannot be written, or would overwrite another
    ├── ModelNotFoundError      no model has this name
    ├── ModelFolderError        a model folder is incomplete, damaged, or of another version
    ├── WeightsError            weights cannot be downloaded or read, or do not fit
    ├── CompileError            a network cannot be exported to ONNX
    ├── MissingPackageError     an optional package is not installed
    ├── DataError               labelled data is missing, or cannot be used for training
    ├── TrainingError           a training run cannot start, resume or converge
    ├── TrainingStopped         exit code 130: interrupted and saved; can be resumed
    ├── GeometryError           a layer does not fit its input
    ├── BlueprintError          a blueprint has a syntax error
    ├── NotANumberError         a network returns infinite or NaN values
    └── OutOfMemoryError        a batch does not fit into the memory of the device

An unreadable image is not an error but a record (`records.predictions.Unreadable`).
"""


class CnncliError(Exception):
    """An error that the user can fix: one line on what is wrong, and a hint on what to do.

    Args:
        message: what went wrong, and where; one line, without a full stop.
        hint: what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(f"hint: {hint}")  # tracebacks show it


class UsageError(CnncliError):
    """Invalid options, or a combination of options that makes no sense."""

    exit_code = 2


class InputError(CnncliError):
    """The inputs as a whole cannot be used: a list that cannot be read, a folder without images."""


class OutputError(CnncliError):
    """A result cannot be written, or would overwrite another."""


class ModelNotFoundError(CnncliError):
    """No model has this name."""


class ModelFolderError(CnncliError):
    """A model folder that is incomplete, damaged, or of another version."""


class WeightsError(CnncliError):
    """Weights that cannot be downloaded, cannot be read safely, or belong to another network."""


class CompileError(CnncliError):
    """A network that cannot be exported to ONNX, or whose ONNX copy gives different results."""


class MissingPackageError(CnncliError):
    """A package that this command needs is not installed."""


class DataError(CnncliError):
    """Labelled data that is missing, has no labels, or cannot be used for training."""


class TrainingError(CnncliError):
    """A training run that cannot start, cannot be resumed, or diverges."""


class TrainingStopped(CnncliError):  # noqa: N818 - not an error
    """A training run that was interrupted and saved, and can be resumed."""

    exit_code = 130


class GeometryError(CnncliError):
    """Sizes that do not fit together: a kernel larger than its input, branches of different sizes."""


class BlueprintError(CnncliError):
    """A blueprint with a syntax error."""


class NotANumberError(CnncliError):
    """A network output with infinite or NaN values, which is not a result."""


class OutOfMemoryError(CnncliError):
    """A batch that does not fit into the memory of the device."""
