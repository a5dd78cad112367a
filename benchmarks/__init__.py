"""Benchmarks: `python -m benchmarks.NAME` runs one, prints its section and writes it to RESULTS.md."""
