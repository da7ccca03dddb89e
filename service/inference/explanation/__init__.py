"""What there is to tell beside a prediction: the nearest compounds, and which atoms it comes from."""
