"""A network as an HTTP service: requests of many clients, answered in batches. docs/serving.md describes it for users."""
