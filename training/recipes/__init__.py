"""What is trained how."""
