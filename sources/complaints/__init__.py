"""Complaints: what went wrong, what the customer wants, how it ended."""
