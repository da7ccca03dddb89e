"""From a drawn record to the one compound that is judged, and whether it can be judged at all."""
