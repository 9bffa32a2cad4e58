"""Extract and load: pulls what the source systems say and lands it unchanged. No Dagster here."""
