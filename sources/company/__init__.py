"""Lists the company itself keeps: plans, registrations, ratings, statistics, consents, blocks."""
