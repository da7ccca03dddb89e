"""What a record's text says: a molecule in a notation, or something else, which is named."""
