"""Request bodies: reading, spooling, negotiating their kind."""
