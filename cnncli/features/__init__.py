"""Images to embeddings, each computed once."""
