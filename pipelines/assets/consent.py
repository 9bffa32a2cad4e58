"""The ledger of consent: the assets between what sources tell and what may be written."""

import logging
from collections.abc import Iterator

import dagster as dg

from pipelines.resources import Company
from pipelines.warehouse import BuildStage, begin_stage, mark_build, open_warehouse

log = logging.getLogger(__name__)

LEDGER = {
    "events": "One row per declaration that was ever recorded, each told by one canonical text.",
    "batches": "One row per night that added to the ledger, with the head of its chain.",
    "contact_points": "One row per contact point anybody has, with its pseudonym in the ledger.",
}
_UNBROKEN = "the_ledger_is_what_it_was"


def consent_assets() -> list[dg.AssetsDefinition]:
    """The tables of schema consent."""
    events = dg.AssetKey(["consent", "events"])

    @dg.multi_asset(
        name="record_consent",
        specs=[
            dg.AssetSpec(
                dg.AssetKey(["consent", name]),
                description=description,
                group_name="consent",
                kinds={"duckdb"},
                deps=[
                    dg.AssetKey(["intermediate", "int_consent_events_proposed"]),
                    dg.AssetKey(["matching", "contact_points"]),
                ],
            )
            for name, description in LEDGER.items()
        ],
        check_specs=[
            dg.AssetCheckSpec(
                _UNBROKEN,
                asset=events,
                blocking=True,
                description="Somebody changed what was declared: no permission can be relied on "
                "until the ledger is restored from a back-up. `make verify-consent` says where.",
            )
        ],
        pool="warehouse",
        can_subset=False,
    )
    def record_consent(company: Company) -> Iterator:
        # Not at the top: parsing phone numbers takes a while to import.
        from pipelines.consenting import record_consent as record
        from pipelines.privacy.ledger import LedgerBroken

        settings = company.settings
        with open_warehouse(settings) as db:
            is_on_whole = begin_stage(db, BuildStage.CONSENT)
        try:
            found = record(settings)
        except LedgerBroken as broken:
            said = (
                f"The ledger of consent is not what it was: {broken}. Nothing was added to it, "
                "and what is published stays as it is. Restore lake/consent from a back-up"
            )
            log.error(said)
            yield dg.AssetCheckResult(
                passed=False, asset_key=events, check_name=_UNBROKEN,
                metadata={"what_does_not_fit": str(broken)},
            )  # fmt: skip
            raise dg.Failure(said) from broken
        with open_warehouse(settings) as db:
            if is_on_whole:
                mark_build(db, BuildStage.CONSENT)
            rows = {name: db.table(f"consent.{name}").shape[0] for name in LEDGER}
        for name, count in rows.items():
            shown: dict[str, object] = {"dagster/row_count": count}
            if name == "events":
                shown["new_tonight"] = found.new_events
            if name == "batches" and found.head:
                shown["head_to_keep_elsewhere"] = found.head.line()
            yield dg.MaterializeResult(asset_key=dg.AssetKey(["consent", name]), metadata=shown)
        yield dg.AssetCheckResult(
            passed=True, asset_key=events, check_name=_UNBROKEN,
            metadata={"events_verified": found.events},
        )  # fmt: skip

    return [record_consent]
