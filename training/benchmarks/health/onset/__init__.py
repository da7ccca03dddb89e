"""How soon a change in the midst of clean traffic is seen."""
