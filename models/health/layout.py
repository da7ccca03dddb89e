"""Which columns of a row's statistics mean what."""

from dataclasses import dataclass
from typing import Self

from models.health.reference import Reference


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a row's statistics, for M members of L layers and k directions of the inputs.

    ``plain`` (M * 3L): comparable statistics less their centre. ``variance`` (M * L): the layers'
    variances less the reference's. The other columns are the *evidence*, in standard deviations of the
    reference rows: ``departures`` (M * 3L), ``distances`` (M, one per member) and, of the inputs,
    ``directions`` (k) and ``singles`` (the energy beside the directions, the distance along them). A
    reference without inputs has no columns of them.
    """

    members: int
    layers: int
    plain: slice
    variance: slice
    departures: slice
    distances: slice
    directions: slice
    singles: slice

    @classmethod
    def of(cls, reference: Reference) -> Self:
        """Return the layout of the statistics that are judged by a reference."""
        members, layers, inputs = len(reference.members), reference.layers, reference.inputs
        size = members * layers
        of_inputs = (0, 0) if inputs is None else (inputs.directions, 2)
        parts, start = [], 0
        for width in (3 * size, size, 3 * size, members, *of_inputs):
            parts.append(slice(start, start + width))
            start += width
        return cls(members, layers, *parts)

    @property
    def width(self) -> int:
        """The number of columns, W."""
        return int(self.singles.stop)

    @property
    def evidence(self) -> slice:
        """The columns by which traffic is judged, E of them."""
        return slice(self.departures.start, self.width)

    @property
    def has_inputs(self) -> bool:
        """Whether the inputs are judged, too."""
        return bool(self.singles.stop > self.singles.start)

    def in_evidence(self, part: slice, pieces: int = 1) -> list[slice]:
        """Cut a part of the evidence into equal pieces; return their places within the evidence."""
        start = part.start - self.departures.start
        size = (part.stop - part.start) // pieces
        return [slice(start + n * size, start + (n + 1) * size) for n in range(pieces)]
