"""Runs `cnncli` with the arguments given, and writes the peak of its resident memory to stderr, in bytes."""

import sys
from pathlib import Path

from cnncli.cli.app import app

try:
    app(sys.argv[1:], prog_name="cnncli")
finally:
    status = Path("/proc/self/status").read_text()
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    print(int(peak) * 1024, file=sys.stderr)
