"""One module per source: readable lists of rules."""
