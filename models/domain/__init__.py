"""What a model of molecules learned from, and how near a molecule is to it."""
