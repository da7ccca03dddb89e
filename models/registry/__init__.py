"""The model repository on disk: publish, resolve, promote, roll back."""
