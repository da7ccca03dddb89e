"""What happened, recognised by what moved and how."""
