"""What is odd about all candidates of a request: in a JSON answer and in the head of a table's."""

import numpy as np
import pytest

from models.features.tabular.pulsar import NAMES
from tests.service.conftest import App

RNG = np.random.default_rng(0)
SKEWNESS = RNG.normal(0, 1, (40, 2))
SOUND = RNG.lognormal(1, 1, (40, 8))
SOUND[:, [2, 6]] = SKEWNESS
SOUND[:, [3, 7]] = np.square(SKEWNESS) - 2 + RNG.gamma(2, 0.7, (40, 2))
WHOLE = SOUND + 3 * np.isin(np.arange(8), (3, 7))


@pytest.mark.parametrize(("table", "codes"), [(SOUND, []), (WHOLE, ["kurtosis_not_in_excess"])])
def test_a_table_of_mixed_up_moments_is_told(with_app, table: np.ndarray, codes: list[str]) -> None:
    """By lists, by names, and as CSV; nineteen candidates tell nothing."""
    rows = table.tolist()
    named = [dict(zip(NAMES, row, strict=True)) for row in rows]
    text = "\n".join([",".join(NAMES), *(",".join(map(str, row)) for row in rows)])

    async def work(app: App) -> None:
        for inputs in (rows, named):
            answer = (await app.predict(model="htru2", inputs=inputs)).json()
            assert [each["code"] for each in answer.get("warnings", [])] == codes
            assert "warnings" not in (await app.predict(model="htru2", inputs=inputs[:19])).json()
        sent = {"content-type": "text/csv"}
        csv = await app.client.post("/predict?model=htru2", content=text, headers=sent)
        assert csv.headers.get("x-model-warnings", "").partition(":")[0] == "".join(codes)
        sent["accept"] = "application/json"
        json = (await app.client.post("/predict?model=htru2", content=text, headers=sent)).json()
        assert [each["code"] for each in json.get("warnings", [])] == codes

    with_app(work)
