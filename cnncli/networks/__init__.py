"""Networks at rest: what a typed name means, the model folder, and the libraries that networks come from."""
