"""Schedules: when. A missed night is not caught up: every run catches up to now by itself."""

import dagster as dg

from pipelines.jobs import refresh_customer_360

nightly = dg.ScheduleDefinition(
    name="nightly",
    job=refresh_customer_360,
    cron_schedule="0 2 * * *",
    execution_timezone="Europe/Berlin",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night at 02:00 Europe/Berlin.",
)
