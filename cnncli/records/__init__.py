"""The vocabulary: frozen types, one file a topic, that every room speaks. Knows nothing else."""
