"""Tables that users bring."""
