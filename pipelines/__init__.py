"""Dagster wires, schedules and reports; the only room that imports it."""
