"""Looking inside networks: what each layer does to shapes, and what it costs."""
