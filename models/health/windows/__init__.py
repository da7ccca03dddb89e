"""How far windows of traffic have moved, how sure that is, and since when."""
