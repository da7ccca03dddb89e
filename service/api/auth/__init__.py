"""API keys and the headers that carry them."""
