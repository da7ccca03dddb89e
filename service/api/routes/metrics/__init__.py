"""``GET /metrics``: everything that is counted, in Prometheus' text format."""

from service.api.routes.metrics.routes import routes

__all__ = ["routes"]
