"""cnncli with a cache that holds prepared networks and nothing else. `prepared_home ARGUMENT...`."""

import os
import sys
import tempfile
from pathlib import Path

from cnncli.networks import cache

prepared = cache.home()
with tempfile.TemporaryDirectory() as home:
    for folder in (*prepared.glob("models-*"), *prepared.glob("names-*")):
        Path(home, folder.name).symlink_to(folder)
    os.environ["CNNCLI_HOME"] = home
    from cnncli.cli.app import main

    sys.argv = ["cnncli", *sys.argv[1:]]
    main()
