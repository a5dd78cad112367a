"""torchinfo's totals of a torchvision network: parameters, multiply-adds; peak memory on stderr. `torchinfo_totals NAME SIZE`."""

import sys
from pathlib import Path

import torchvision
from torchinfo import summary

name, size = sys.argv[1:]
network = torchvision.models.get_model(name, weights=None)
totals = summary(network.eval(), (1, 3, int(size), int(size)), verbose=0, depth=20)
print(totals.total_params, totals.total_mult_adds)
status = Path("/proc/self/status").read_text()
print(
    1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))),
    file=sys.stderr,
)
