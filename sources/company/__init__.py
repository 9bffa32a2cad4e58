"""Lists the company itself keeps: service plan, registrations, ratings, statistics, targets."""
