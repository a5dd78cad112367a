"""Looking inside a network with torch; its neighbours in `inspection` work without."""
