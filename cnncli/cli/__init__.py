"""The command line: one thin file per command. Only this room knows about the terminal."""
