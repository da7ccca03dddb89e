"""Which atoms of a molecule an output comes from, and which known alerts it has."""
