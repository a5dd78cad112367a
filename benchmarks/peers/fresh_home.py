"""cnncli with an empty cache. `fresh_home ARGUMENT...`."""

import os
import subprocess
import sys
import tempfile

with tempfile.TemporaryDirectory() as home:
    command = [sys.executable, "-m", "cnncli", *sys.argv[1:]]
    result = subprocess.run(command, env=os.environ | {"CNNCLI_HOME": home}, check=False)
sys.exit(result.returncode)
