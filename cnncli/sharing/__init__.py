"""Networks for others: the files of a repository on a hub, written to a folder or sent."""
