"""Memory that steps free is used again."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import torch
from cnncli.training.network.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(16 * 2**20)  # 64 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual = faults()
if not keep_freed_memory():
    sys.exit("not glibc")
faults()
print(usual, faults())
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks glibc")
def test_freed_memory_is_kept_for_reuse() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    default_faults, faults_with_reuse = map(int, done.stdout.split())
    assert faults_with_reuse < default_faults / 10
