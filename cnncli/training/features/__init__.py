"""Training a classifier on a network's features; without torch."""
