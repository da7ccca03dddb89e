"""Traffic by the API keys that it came with, and whether one of them explains a change."""
