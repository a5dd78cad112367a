"""Atomic files and folders, resumable output files, locks, CSV tables and embedding files."""
