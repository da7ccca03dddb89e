"""What a model is: the contract between the training module and the service.

Both sides import this package; it imports neither of them, and neither torch nor a web framework.
"""
