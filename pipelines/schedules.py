"""When: the nightly run, and how old what it makes may become.

A missed night is not caught up: every run catches up to now by itself.
"""

from datetime import timedelta

import dagster as dg

from pipelines.jobs import refresh_customer_360

FRESH_EVERY_NIGHT = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36))

nightly = dg.ScheduleDefinition(
    name="nightly",
    job=refresh_customer_360,
    cron_schedule="0 2 * * *",
    execution_timezone="Europe/Berlin",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night at 02:00 Europe/Berlin.",
)
