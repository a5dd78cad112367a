"""Training a network itself: trainer, loop, step, and what they are made of. The one part of `training` that knows torch."""
