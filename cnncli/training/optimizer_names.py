"""The names of timm's optimisers and of Keras's RMSprop, so that a wrong one is refused without importing timm, which takes seconds."""

import difflib

from cnncli.errors import UsageError
from cnncli.networks.index import installed_version

VERSION = "1.0.31"
"""The version of timm that has these optimisers; a test fails when a new release has others."""

OPTIMIZERS = [
    "adabelief", "adadelta", "adafactor", "adafactorbv", "adafactorbvc", "adagrad", "adahessian", "adam", "adamax",
    "adamc", "adamp", "adamuon", "adamw", "adamwlegacy", "adan", "adanw", "adopt", "adoptc", "adoptw", "bnbadam",
    "bnbadam8bit", "bnbadamw", "bnbadamw8bit", "bnbademamix", "bnbademamix8bit", "bnblion", "bnblion8bit", "bnbsgd",
    "bnbsgd8bit", "cadafactor", "cadafactorbv", "cadafactorbvc", "cadamc", "cadamp", "cadamw", "cadan", "cadanw",
    "cadopt", "cadoptc", "cadoptw", "clamb", "clambw", "claprop", "clion", "clionc", "cmars", "cnadamc", "cnadamw",
    "crmsproptf", "csgdc", "csgdp", "csgdw", "fusedadam", "fusedadamw", "fusedlamb", "fusednovograd", "fusedsgd",
    "kron", "kronc", "kronw", "lamb", "lambc", "lambcd", "lambcw", "lambw", "laprop", "lapropc", "larc", "lars",
    "lion", "lionc", "madgrad", "madgradw", "mars", "momentum", "muon", "nadam", "nadamc", "nadamlegacy",
    "nadamuon", "nadamw", "nesterov", "nesterovw", "nlarc", "nlars", "nmuon", "novograd", "novogradc", "novogradw",
    "radabelief", "radam", "radamlegacy", "radamw", "rmsprop", "rmspropkeras", "rmsproptf", "rmsproptfc",
    "rmsproptfw", "sgd", "sgdc", "sgdp", "sgdw",
]  # fmt: skip

_LOOKAHEAD = "lookahead_"
"""timm wraps any optimiser whose name has this prefix in Lookahead (Zhang et al., 2019)."""


def require_optimizer(opt: str) -> None:
    """Check the name of an optimiser, unless another version of timm is installed, which may have others.

    Raises:
        UsageError: there is no such optimiser.
    """
    name = base_name(opt)
    if name in OPTIMIZERS or installed_version("timm") != VERSION:
        return
    close = difflib.get_close_matches(name, OPTIMIZERS)
    hint = f"did you mean {', '.join(close)}?" if close else "try adamw, sgd, rmsprop or lion"
    raise UsageError(f"--opt {opt}: timm has no optimiser of that name", hint)


def base_name(opt: str) -> str:
    """The optimiser itself, as timm reads a name: in lower case, without the prefix for Lookahead."""
    return opt.lower().removeprefix(_LOOKAHEAD)
