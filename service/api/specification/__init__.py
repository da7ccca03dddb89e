"""What the OpenAPI document says beyond the routes: shapes of answers, names, examples, keys."""
