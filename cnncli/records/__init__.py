"""Frozen types that all rooms share, one file per topic. Imports no other room."""
