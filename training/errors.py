"""What can go wrong while a model is made.

TrainingError
├── DataError       a data set that is missing, altered, or not what its publisher counted
└── ExportError     an exported graph that is not the network that was trained
"""


class TrainingError(Exception):
    """The root of this package's errors; its text says what was wrong, where, and what to do."""


class DataError(TrainingError):
    """A data file is missing, has the wrong hash, or its content does not add up."""


class ExportError(TrainingError):
    """The exported graph is not the network that was trained."""
