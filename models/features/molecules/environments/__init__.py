"""Features of many molecules at once, from what each atom has around it."""
