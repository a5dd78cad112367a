"""Targets that are converted from the network in torch."""
