"""Runs of one large request: one batch is computed while the rows of the next are gathered."""

import asyncio

import numpy as np

from service.health.row_owner import Requester
from service.inference.queue import Answer, Outputs, Rows, joined
from service.inference.served_models import ServedModel

#: Rows that a request gathers before they are computed: a run of 256 takes 40 % of the time that
#: sixteen runs of 16 take, since each run reads all of the weights.
_RUN_ROWS = 256


class BatchPipeline:
    """The runs of one request, in order."""

    def __init__(self, served: ServedModel, deadline: float | None, request: Requester | None) -> None:
        """``deadline`` is a time of ``perf_counter``; ``request`` tells whose rows they are."""
        self._served = served
        self._deadline = deadline
        self._request = request
        self._gathered: list[Rows] = []
        self._computing: asyncio.Task[Answer] | None = None
        self.answers: list[Answer] = []

    async def add(self, rows: Rows, *, last: bool) -> None:
        """Gather rows of shape ``(n, F)``; begin a run if there are enough, or if they are the last.

        A new run waits for the run before it, and the last rows wait for their own run. Raises what
        ``Batcher.run`` raises.
        """
        self._gathered.append(rows)
        count = sum(map(len, self._gathered))
        if count and (count >= _RUN_ROWS or last):
            await self._finish()
            rows, self._gathered = np.concatenate(self._gathered), []
            run = self._served.batcher.run(
                rows, deadline=self._deadline, admitted=True, request=self._request
            )
            self._computing = asyncio.create_task(run)
        if last:
            await self._finish()

    def cancel(self) -> None:
        """Cancel the run that is being computed."""
        if self._computing is not None:
            self._computing.cancel()

    @property
    def outputs(self) -> Outputs:
        """The outputs of all rows by name, in order; empty if there was no row."""
        answers = [answer.outputs for answer in self.answers]
        if len(answers) <= 1:
            return answers[0] if answers else {}
        return joined(answers)

    async def _finish(self) -> None:
        """Wait for the run that was begun last, if any."""
        if self._computing is not None:
            self.answers.append(await self._computing)
            self._computing = None
