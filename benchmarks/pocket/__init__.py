"""How the built-in model is made and measured; README.md here has the commands. The model itself is in cnncli/networks/pocket."""
