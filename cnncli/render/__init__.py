"""Records to text and pictures. Knows records, and neither images nor networks."""
