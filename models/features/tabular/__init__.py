"""Features of tables: pulsar candidates and own columns."""
