"""Networks: references, model folders, and the libraries that networks come from."""
