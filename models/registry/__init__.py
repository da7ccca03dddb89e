"""The model repository on disk: publish, look up, promote, roll back."""
