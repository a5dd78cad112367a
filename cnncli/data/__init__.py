"""Labelled folders and lists: found, split, examined; and the sets that courses use."""
