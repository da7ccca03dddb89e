"""Several workers as one: what they share, agree on and report together."""
