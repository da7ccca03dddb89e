"""A version on trial beside the champion: which requests it answers, and how the two compare."""
