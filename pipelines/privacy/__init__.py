"""What is personal about the data: the ledger of consent. Plain Python, no Dagster."""
