"""Hands a finished build to its readers. No Dagster here."""
