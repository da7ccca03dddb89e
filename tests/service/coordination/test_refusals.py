"""Records that are refused count in the verdict, by the counters of all workers."""

from service.coordination.refusals import RecentRefusals
from tests.service.conftest import App
from tests.support import bundles


def test_the_last_minute_is_counted() -> None:
    """Older counts leave; looks in quick succession keep what they look back at; a fall begins anew."""
    recent = RecentRefusals()
    assert recent.look(0.0, 100, 50) == (0, 0)
    assert recent.look(1.0, 110, 60) == (20, 10)
    assert recent.look(30.0, 120, 160) == (130, 110)
    assert recent.look(61.0, 220, 160) == (230, 110)
    assert recent.look(91.0, 320, 160) == (200, 0)
    assert recent.look(300.0, 330, 160) == (10, 0)
    assert recent.look(301.0, 10, 0) == (0, 0)


def test_refused_records_degrade_the_verdict(with_app) -> None:
    """Most are refused and the rest is as usual: the headline says so; a few refused ones do not."""

    async def work(app: App) -> None:
        async def headline() -> tuple[str, str]:
            document = (await app.client.get("/health/activations/htru2")).json()
            return document["verdict"], document["headline"]

        await headline()
        good = bundles.candidates(200).tolist()
        await app.predict(model="htru2", inputs=[*good, *([[1, 2]] * 20)])
        assert (await headline())[0] == "healthy"
        for _ in range(3):
            await app.predict(model="htru2", inputs=[*good[:50], *([[1, 2]] * 300)])
        verdict, text = await headline()
        document = (await app.client.get("/health/activations/htru2")).json()
        assert verdict == document["traffic_verdict"] == "degraded"
        assert text == "72 % of the latest records were refused; the model is intact."
        assert document["model_verdict"] == "intact"
        assert document["origin"] == "input"
        assert document["advice"]["runbook"].endswith("#wrong-columns")

    with_app(work)
