"""The service: serves published bundles over HTTP and watches the activations inside them.

A request makes at most six stops: ``api/predict`` → ``predictor`` → ``catalog`` (one immutable
served model) → ``batcher`` → ``session`` → ``monitor``. Only ``api`` knows HTTP.
"""
