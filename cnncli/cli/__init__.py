"""The command line: one thin file a command, and the only rooms that know a terminal."""
