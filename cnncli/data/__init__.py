"""Labelled folders and lists: found, split, examined; and the common data sets."""
