"""The runs of one large request: one is computed while the rows of the next are gathered."""

import asyncio

import numpy as np

from service.health.row_owner import Requester
from service.inference.queue import Answer, Outputs, Rows
from service.inference.served_models import ServedModel

#: Rows that a request gathers before they are computed: a run of 256 takes 40 % of the time that
#: sixteen runs of 16 take, since each run reads all of the weights.
_RUN_ROWS = 256


class BatchPipeline:
    """The runs of one request, in their order."""

    def __init__(self, served: ServedModel, deadline: float | None, request: Requester | None) -> None:
        self._served = served
        self._deadline = deadline
        self._request = request
        self._gathered: list[Rows] = []
        self._computing: asyncio.Task[Answer] | None = None
        self.answers: list[Answer] = []

    async def add(self, rows: Rows, *, last: bool) -> None:
        """Gather a piece's rows; begin a run where there are enough, or no more come."""
        self._gathered.append(rows)
        count = sum(map(len, self._gathered))
        if count == 0 or (count < _RUN_ROWS and not last):
            return
        await self.finish()
        rows, self._gathered = np.concatenate(self._gathered), []
        run = self._served.batcher.run(
            rows, deadline=self._deadline, admitted=True, request=self._request
        )
        self._computing = asyncio.create_task(run)

    async def finish(self) -> None:
        """Wait for the run that was begun last."""
        if self._computing is not None:
            self.answers.append(await self._computing)
            self._computing = None

    def cancel(self) -> None:
        """Give up what is being computed."""
        if self._computing is not None:
            self._computing.cancel()


def joined(answers: list[Answer]) -> Outputs:
    """The outputs of all of these, in their order; none of none."""
    if len(answers) <= 1:
        return answers[0].outputs if answers else {}
    names = answers[0].outputs
    return {name: np.concatenate([answer.outputs[name] for answer in answers]) for name in names}
