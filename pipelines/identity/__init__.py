"""Who is who: which records of all sources are one organisation or one person.

Plain functions over tables, usable without Dagster: DuckDB relations in, Arrow tables out.
"""
