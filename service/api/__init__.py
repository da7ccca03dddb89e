"""The only place that knows HTTP: decodes requests, encodes answers, translates errors."""
