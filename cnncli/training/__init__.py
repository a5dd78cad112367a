"""Teaches a network new classes."""
