"""scikit-learn's interface to the pipeline: ``SnnClassifier().fit(X, y).publish("my-task")``.

``SnnRegressor`` is the same of quantities. An estimator makes of its arrays the data set that a file of
them would be, and trains it by the same recipe; what it answers is what the published version answers.
"""

from training.estimator.classifier import SnnClassifier
from training.estimator.regressor import SnnRegressor

__all__ = ["SnnClassifier", "SnnRegressor"]
