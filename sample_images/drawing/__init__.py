"""A small renderer: ray-marched objects, procedural backdrops, and a camera with depth of field and film grain.

Everything is computed with NumPy and Pillow from fixed seeds.
"""
