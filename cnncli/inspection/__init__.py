"""Inspecting networks: layers and costs, filters, feature maps, receptive fields, class activation maps."""
