"""Accounting and sales lists: who bought what, when, for how much."""
