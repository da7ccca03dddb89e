"""Records to features, in threads and processes."""
