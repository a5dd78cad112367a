"""Files that are whole, or say how far they have come: written beside their place, locked, resumed."""
