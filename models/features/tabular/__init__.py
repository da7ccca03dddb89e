"""Features of records of named values: pulsar candidates and tables of any columns."""
