"""Every member's layers in a health document: live statistics beside the reference."""

import math
from typing import Any

from models.health.effect_size import Effects
from service.health.layer_statistics import layer_statistics
from service.health.monitor import Monitor
from service.health.windows import Window
from service.inference.served_models import ServedModel

#: Statistics of a layer that are compared with the reference.
_COMPARED = ("mean", "log_variance", "saturated")


def members_of(
    served: ServedModel, monitor: Monitor, window: Window, effects: Effects
) -> list[dict[str, Any]]:
    """Return every member's layers in one window, beside the reference."""
    reference = monitor.reference
    live = layer_statistics(monitor.detector, window)
    shape = (len(reference.members), reference.layers, len(_COMPARED))
    spreads = reference.spread.reshape(shape).round(6)
    seen = window.count > 0
    theories, members = served.manifest.theory, []
    for number, expected in enumerate(reference.members):
        layers = []
        for layer in range(reference.layers):
            mean, variance, saturated = (
                number_of(values[number, layer]) if seen else None for values in live
            )
            departure = effects.departures[number, layer] - effects.departure_margins[number, layer]
            layers.append(
                {
                    "layer": layer + 1,
                    "mean": mean,
                    "variance": variance,
                    "saturated": saturated,
                    "reference": {
                        "mean": expected.mean[layer],
                        "variance": expected.variance[layer],
                        "saturated": expected.saturated[layer],
                    },
                    # Standard deviations of the reference rows, the unit of effects.
                    "spread": dict(zip(_COMPARED, spreads[number, layer].tolist(), strict=True)),
                    "effect": number_of(effects.by_layer[number, layer]) if seen else None,
                    "error": number_of(effects.error) if seen else None,
                    "departure": number_of(max(departure, 0.0)) if seen else None,
                    "theory": theories[number].layers[layer].lines() if theories else None,
                }
            )
        members.append(
            {
                "departure": number_of(effects.members[number].sure) if seen else None,
                "layers": layers,
            }
        )
    return members


def number_of(value: float) -> float | None:
    """Round to six significant digits; None for what JSON cannot represent."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
