"""The demo company: seeded, made-up data in the forms real source systems use, with known truth."""
