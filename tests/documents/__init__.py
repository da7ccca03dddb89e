"""The documents: their pictures, their commands, and what they say of the code."""
