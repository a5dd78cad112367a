"""cnncli with the networks that are prepared here and nothing else known from an earlier run. `prepared_home ARGUMENT`."""

import os
import sys
import tempfile
from pathlib import Path

from cnncli.networks import cache

prepared = cache.home()
with tempfile.TemporaryDirectory() as home:
    for kept in (*prepared.glob("models-*"), *prepared.glob("names-*")):
        Path(home, kept.name).symlink_to(kept)
    os.environ["CNNCLI_HOME"] = home
    from cnncli.cli.app import main

    sys.argv = ["cnncli", *sys.argv[1:]]
    main()
