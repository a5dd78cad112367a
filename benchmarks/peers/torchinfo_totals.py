"""torchinfo's totals of a torchvision network: parameters, multiply-adds; and its peak memory on stderr. `torchinfo_totals NAME SIDE`."""

import sys
from pathlib import Path

import torchvision
from torchinfo import summary

name, side = sys.argv[1:]
network = torchvision.models.get_model(name, weights=None)
found = summary(network.eval(), (1, 3, int(side), int(side)), verbose=0, depth=20)
print(found.total_params, found.total_mult_adds)
status = Path("/proc/self/status").read_text()
print(
    1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))),
    file=sys.stderr,
)
