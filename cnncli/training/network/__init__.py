"""Training the network itself: trainer, loop, step and their parts. The only part of `training` that imports torch."""
