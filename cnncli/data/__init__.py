"""Labelled folders and lists: reading, splitting and checking them; common data sets."""
