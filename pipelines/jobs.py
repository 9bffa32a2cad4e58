"""Jobs: what is run as a whole."""

import dagster as dg

refresh_customer_360 = dg.define_asset_job(
    "refresh_customer_360",
    selection=dg.AssetSelection.all(),
    description="Pull every source, judge what came, build all models, publish.",
    tags={"dagster/max_runtime": 4 * 60 * 60},
)
