"""Accuracy of the models beside other methods."""
