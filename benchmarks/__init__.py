"""One command a figure: `python -m benchmarks.NAME`. Each prints what it measures and against what."""
