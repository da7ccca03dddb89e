"""The files that tables come in, as training and the service both read them; every reader is bounded."""
