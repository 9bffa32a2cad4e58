"""Judges landed loads and splits them into accepted and quarantined rows. No Dagster here."""
