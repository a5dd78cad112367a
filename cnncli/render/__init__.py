"""Records as text and pictures. Uses `records` only, neither images nor networks."""
