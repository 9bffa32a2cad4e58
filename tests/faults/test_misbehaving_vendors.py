"""Every demo server misbehaves in every way a vendor was ever seen to: nothing is lost or doubled.

R06 to R09 of the catalogue, through real connectors and the gate. What each fault is and that the
proxy really produces it is tested beside it.
"""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.ingest import judge
from pipelines.settings import Settings
from sources.access import with_defaults
from sources.demo.systems import SERVERS, demo_pull
from sources.http import Api, Patience
from sources.landing import Lake
from sources.pulling import pull_source
from sources.registry import source_named
from tests.faults.fault_proxy import Misbehaving

# Enough for several pages of everything; Lexware wants two requests for every voucher.
CUSTOMERS, CUSTOMERS_OF_LEXWARE = 1_000, 250
# A review portal is asked a handful of times only.
SHARE_OF_FAULTS = {"trustpilot": 0.9, "google_business_profile": 0.9}


def pulled(source_name: str, folder: Path, disturbed=None) -> tuple[dict, list]:
    """The accepted and the quarantined rows of every table after one pull, and the problems."""
    source, lake = source_named(source_name), Lake(folder / "lake")
    how = {"disturbed": disturbed} if disturbed else {}
    customers = CUSTOMERS_OF_LEXWARE if source_name == "lexware_office" else CUSTOMERS
    with demo_pull(source_name, folder, progress=print, customers=customers, **how) as pull:
        pull.connection = with_defaults(source, pull.connection)
        pull_source(source, lake, pull, is_demo=True)
    rows = {}
    for table in source.tables:
        for load in lake.unjudged(source.name, table.name):
            judge(load, table, lake, Settings(folder))
        names = [column.name for column in table.columns] + ["_extra"]
        for stage, file in (("accepted", "part-00000.parquet"), ("quarantine", "rows.parquet")):
            parts = [
                pq.read_table(load.folder / file, columns=names).to_pylist()
                for load in lake.loads(stage, source.name, table.name)
            ]
            found = sorted(str(row) for part in parts for row in part)
            rows[table.name, stage] = found
    return rows, pull.problems


@pytest.mark.parametrize("source", SERVERS)
def test_a_misbehaving_vendor_brings_the_very_rows_of_a_calm_one(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # A hundredth of the waits: what is waited for, and how long, is asked of the client's tests.
    monkeypatch.setitem(Api.__init__.__kwdefaults__, "patience", Patience(first_wait=0.01))
    proxies = []

    def disturbed(app):
        proxies.append(Misbehaving(app, seed=20_261_122, share=SHARE_OF_FAULTS.get(source, 0.4)))
        return proxies[-1]

    calm, no_problems = pulled(source, tmp_path / "calm")
    assert no_problems == []
    assert sum(map(len, calm.values())) > 20
    rough, problems = pulled(source, tmp_path / "rough", disturbed)
    assert problems == []
    assert rough == calm
    assert sum(proxies[0].done.values()) > 0


@pytest.mark.parametrize("source", SERVERS)
def test_a_vendor_that_never_answers_is_one_problem_and_lands_nothing(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(
        Api.__init__.__kwdefaults__, "patience", Patience(attempts=3, first_wait=0.01)
    )

    def dead(app):
        async def answer(scope, receive, send):
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        return answer

    rows, problems = pulled(source, tmp_path, dead)
    assert sum(map(len, rows.values())) == 0
    assert problems
    assert all("503" in str(problem) for problem in problems[:1])
