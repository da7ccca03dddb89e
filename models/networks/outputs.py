"""Names of the graph's input and outputs, which training writes and the service reads."""

#: The graph's input, ``[batch, F]``, and the outputs that clients see: ``[batch, T]`` twice,
#: ``[batch, members, layers, 3]``. A graph that was made elsewhere may lack taps: it is served, and
#: nothing inside it is watched.
INPUT = "features"
TAPS = "taps"
OUTPUTS = ("probability", "logit", TAPS)
#: Where targets are quantities, the first two outputs are their values ``[batch, T]`` and the ends of
#: their intervals ``[batch, T, 2]``. Both are in the targets' units and in double precision: a value may
#: be large beside its differences.
VALUE, INTERVAL = "value", "interval"
QUANTITY_OUTPUTS = (VALUE, INTERVAL, TAPS)
DOUBLES = (VALUE, INTERVAL)
#: Outputs for the service's own use, which older bundles lack: the features after the squash,
#: ``[batch, F]``, and each member's uncalibrated logits, ``[batch, members, T]``. Of quantities these
#: are each member's standardised means, then both quantiles: ``[batch, members, 3 T]``.
MEMBER_LOGIT = "member_logit"
SQUASHED = "squashed"
INNER_OUTPUTS = (SQUASHED, MEMBER_LOGIT)
