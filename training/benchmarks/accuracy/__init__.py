"""How well models predict, beside their rivals."""
