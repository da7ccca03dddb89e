"""Features of molecules, from SMILES."""
