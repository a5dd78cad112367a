"""Inspecting networks with torch, which the other modules of `inspection` do not need."""
