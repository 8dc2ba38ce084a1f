"""A diagnosis without any key, of four services that really ran: code finds the three faults, and says that no model did."""

from pathlib import Path

from temporalio.client import Client

from tests.stack import result_of, stack
from tests.workflows.ailing import ail, diagnose


async def test_three_faults_are_found_and_the_healthy_one_is_left_alone(client: Client, tmp_path: Path) -> None:
    """The dependency that is away, the wrong setting and the leak, each with lines that stand in the log; then the gate."""
    ailing = ail(tmp_path / "logs")
    async with stack(client, tmp_path / "state") as running:
        run = await diagnose(running, ailing.all())
        view = await running.gate(run, "plan-1")
        await running.decide(view)
        report = await result_of(run)
        whole = await result_of(await diagnose(running, ailing.all("stock"), report_only=True))
        lines = await running.feed(run)
    found = {one.service: one for one in report.services}
    states = {name: (one.state, one.blames) for name, one in found.items()}
    assert states == {
        "shop": ("affected", ailing.stock),
        "pay": ("faulty", ""),
        "pictures": ("faulty", ""),
        "users": ("healthy", ""),
    }
    assert "currency_decimals" in found["pay"].cause
    assert "file handles" in found["pictures"].cause
    assert set(report.roots) == {ailing.stock, "pay", "pictures"}
    for one in report.services:
        assert one.unsupported == ()
        for claim in one.claims:
            for quote in claim.quotes:
                text = (ailing.folder / one.service / quote.file).read_text().split("\n")
                assert quote.quote in text[quote.line - 1]
    # pay's is the setting, pictures' to start anew: no action is declared, so a person makes them.
    assert {one.fix.id: one.became for one in report.fixes} == {"pay-1": "escalated", "pictures-1": "escalated"}
    assert (report.state, report.scripted, report.usd_micros) == ("done", False, 0)
    assert len(report.degraded) == 6
    assert all("(degraded)" in one.by for one in report.services)
    assert "No model" in report.summary
    told = [line for line in lines if "@v" in f"{line.actor} {line.did} {line.why}"]
    assert len(told) >= 6
    assert all("(degraded)" in f"{line.actor} {line.did} {line.why}" for line in told)
    # With the stock among them it is the stock that is named: its log ends before the shop's first error.
    assert set(whole.roots) == {"stock", "pay", "pictures"}
    (apart,) = whole.contradictions
    assert (apart.about, set(apart.services)) == ("blame", {"shop", "stock"})
    (ruling,) = [one for one in whole.rulings if one.id == apart.id]
    assert ruling.holds == "shop"
