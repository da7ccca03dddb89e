"""The files that hold tables, as columns of cells."""
