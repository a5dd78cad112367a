"""Runs the command line as `python -m cnncli`."""

import sys

try:
    from cnncli.cli.app import main
except KeyboardInterrupt:
    sys.exit(130)

if __name__ == "__main__":
    main()
