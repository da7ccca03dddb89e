"""From a trained ensemble to a published version: gate, model card, golden records."""
