"""Neighbours in feature space."""
