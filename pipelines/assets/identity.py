"""Who is who: the assets between the records and the customers."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from pipelines.resources import Company
from pipelines.warehouse import BuildStage, begin_stage, mark_build, open_warehouse

if TYPE_CHECKING:
    from pipelines.identifying import Found
    from pipelines.identity.store import KeptModel

MATCHING = {
    "identities": "One row per record of an organisation or a person: the customer it belongs to, "
    "and why.",
    "contact_points": "One row per contact point of a record, in one spelling.",
    "review": "One row per pair of records that a person should look at.",
    "shared": "One row per value that too many records share to be a key.",
    "changes": "One row per change of an id in any night.",
    "linkage_model": "How records are compared: learnt once from the company's own records, kept "
    "in the lake, used every night. Materialise it with `retrain: true` to learn it anew.",
}
_READ = (
    "intermediate/int_organisations_unioned",
    "intermediate/int_contacts_unioned",
    "intermediate/int_contact_channels_exploded",
    "rules/identity_rules",
    "rules/identity_keys",
    "rules/identity_overrides",
)
_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999)
# Blocks: of a whole bar, of half a bar, and the bits that fill half a bar.
_BAR, _HALF, _MOST_BITS = 12, 8, 20


class HowToIdentify(dg.Config):
    """What a person may want of one run."""

    retrain: bool = False


def identity_assets() -> list[dg.AssetsDefinition]:
    """The tables of schema matching, and the models that made them."""

    @dg.multi_asset(
        name="resolve_identities",
        specs=[
            dg.AssetSpec(
                dg.AssetKey(["matching", name]),
                description=description,
                group_name="matching",
                kinds={"python" if name == "linkage_model" else "duckdb"},
                deps=[dg.AssetKey(address.split("/")) for address in _READ],
            )
            for name, description in MATCHING.items()
        ],
        pool="warehouse",
        can_subset=False,
    )
    def resolve_identities(
        company: Company, config: HowToIdentify
    ) -> Iterator[dg.MaterializeResult]:
        # Not at the top: Splink takes a second to import, and the definitions are loaded often.
        from pipelines.identifying import identify

        settings = company.settings
        with open_warehouse(settings) as db:
            is_on_whole = begin_stage(db, BuildStage.IDENTITIES)
        found = identify(settings, retrain=config.retrain)
        with open_warehouse(settings) as db:
            if is_on_whole:
                mark_build(db, BuildStage.IDENTITIES)
            rows = {
                name: db.table(f"matching.{name}").shape[0]
                for name in MATCHING
                if name != "linkage_model"
            }
        for name in MATCHING:
            shown: dict[str, object] = {}
            if name in rows:
                shown["dagster/row_count"] = rows[name]
            if name == "identities":
                shown |= _identities_shown(found)
            if name == "linkage_model":
                shown |= _models_shown(found)
            yield dg.MaterializeResult(asset_key=dg.AssetKey(["matching", name]), metadata=shown)

    return [resolve_identities]


def _identities_shown(found: "dict[str, Found]") -> dict[str, object]:
    shown: dict[str, object] = {}
    for kind, one in found.items():
        shown[f"{kind}s"] = f"{one.records:,} records of {one.entities:,} {kind}s"
        shown[f"{kind}s_to_review"] = one.to_review
        shown[f"{kind}_ids_changed"] = one.changes
        shown[f"{kind}s_by_rule"] = _table(
            ("rule", "records", "share"),
            [
                (rule, f"{count:,}", _bar(count / (one.records or 1)))
                for rule, count in one.by_rule.items()
            ],
        )
    return shown


def _models_shown(found: "dict[str, Found]") -> dict[str, object]:
    """Per kind the weight of every comparison, and what another threshold would link."""
    shown: dict[str, object] = {}
    for kind, one in found.items():
        if one.model is None:
            shown[f"{kind}s"] = "too few records to learn from: linked by keys alone"
            continue
        shown[f"{kind}s"] = (
            f"version {one.model.version}, learnt on {one.model.trained_at[:10]} from "
            f"{one.model.records:,} records"
        )
        shown[f"{kind}_match_weights"] = _table(
            ("comparison", "bits", "against | for"), _weights(one.model)
        )
        shown[f"{kind}_thresholds"] = _table(
            ("linked from", "pairs", "share of those kept"),
            [
                (
                    f"{threshold:.4g}",
                    f"{sum(p >= threshold for p in one.likenesses):,}",
                    _bar(sum(p >= threshold for p in one.likenesses) / (len(one.likenesses) or 1)),
                )
                for threshold in _THRESHOLDS
            ],
        )
    return shown


def _weights(kept: "KeptModel") -> list[tuple[str, str, str]]:
    settings = kept.model.settings
    prior = settings["probability_two_random_records_match"]
    rows = [("any two records", math.log2(prior / (1 - prior)))]
    for comparison in settings["comparisons"]:
        name = comparison["output_column_name"]
        for level in comparison["comparison_levels"]:
            if not level.get("is_null_level"):
                weight = math.log2(level["m_probability"] / level["u_probability"])
                rows.append((f"{name}: {_outcome(level['label_for_charts'], name)}", weight))
    return [(outcome, f"{weight:+.1f}", _arrow(weight)) for outcome, weight in rows]


def _outcome(label: str, comparison: str) -> str:
    """Splink's name of an outcome in few words."""
    if label.startswith("Exact match on "):
        column = label.removeprefix("Exact match on ")
        return "same" if column == comparison else f"same {column}"
    if label.startswith("Jaro-Winkler"):
        return f"alike from {label.rpartition(' ')[2]}"
    if label.startswith("Damerau"):
        return f"slips up to {label.rpartition(' ')[2]}"
    return "other"


def _arrow(weight: float) -> str:
    """A bar to the left of the stroke for what speaks against, to the right for what speaks for."""
    length = min(_HALF, round(abs(weight) * _HALF / _MOST_BITS))
    # No-break: a page would take ordinary blanks away.
    left = ("█" * length if weight < 0 else "").rjust(_HALF, "\u00a0")
    return f"{left}|{'█' * length if weight > 0 else ''}"


def _bar(share: float) -> str:
    return f"{'█' * max(1, round(_BAR * share))} {share:.1%}"


def _table(columns: tuple[str, ...], rows: list[tuple]) -> dg.MetadataValue:
    return dg.MetadataValue.table(
        [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows],
        schema=dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in columns]),
    )
