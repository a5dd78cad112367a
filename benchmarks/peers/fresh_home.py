"""cnncli with an empty cache. `fresh_home ARGUMENT...`."""

import os
import sys
import tempfile

with tempfile.TemporaryDirectory() as home:
    os.environ["CNNCLI_HOME"] = home
    from cnncli.cli.app import main

    sys.argv = ["cnncli", *sys.argv[1:]]
    main()
