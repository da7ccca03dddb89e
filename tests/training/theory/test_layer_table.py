"""The table of a bundle's theory: columns in their order, means over members."""

from models.networks.theory import LayerTheory
from training.theory import layer_table


def layer(first: float, correlation: float | None) -> LayerTheory:
    """A layer whose numbers count up from the first."""
    names = ("mean", "map_mean", "covariance_mean", "variance", "map_variance", "covariance_variance")
    numbers = {name: first + at for at, name in enumerate(names)}
    return LayerTheory(correlation=correlation, **numbers)


def test_a_line_has_the_means_over_members() -> None:
    """Every column is its own field, averaged; the layer's number comes first."""
    line = layer_table._line(3, (layer(0.0, 0.5), layer(1.0, 1.0)))
    assert line == "| 3 | 0.500 | 1.500 | 2.500 | 3.500 | 4.500 | 5.500 | 0.750 |"
    assert line.count("|") == len(layer_table._COLUMNS) + 2


def test_a_correlation_that_a_member_lacks_is_not_made_up() -> None:
    """Units that do not differ have no correlation, and the mean over members says so."""
    assert layer_table._line(1, (layer(0.0, None), layer(1.0, 1.0))).endswith("| nan |")
