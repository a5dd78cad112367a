"""Nearest neighbours and near-duplicates in feature space."""
