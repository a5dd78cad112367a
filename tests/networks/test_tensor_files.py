"""Writing tensors where there is no space."""

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from cnncli.networks.tensor_files import raise_os_errors


def test_errors_of_both_libraries_have_their_reason(
    tmp_path: Path, limit_file_size: Callable[[int], None]
) -> None:
    limit_file_size(10_000)
    file = tmp_path / "weights"
    with pytest.raises(OSError, match="File too large") as caught, raise_os_errors(file):
        torch.save({"weights": torch.zeros(100_000)}, file)
    assert caught.value.errno == errno.EFBIG
    with pytest.raises(OSError, match="File too large"), raise_os_errors(file):
        safetensors.numpy.save_file({"weights": np.zeros(100_000)}, file)


def test_other_errors_stay(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="a bug"), raise_os_errors(tmp_path / "weights"):
        raise RuntimeError("a bug")
