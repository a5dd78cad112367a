"""From names to pixels: sources, decoding, preprocessing, and the threads that keep an engine fed."""
