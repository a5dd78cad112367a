"""A small studio: ray-marched objects, painted backdrops and a camera whose film has grain.

Everything is computed with numpy and Pillow from fixed seeds, so that the pictures need no photographer's leave.
"""
