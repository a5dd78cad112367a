"""From names to pixels: image sources, decoding, preprocessing, augmentation, and the batch loader."""
