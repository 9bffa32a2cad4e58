"""Assets: thin wrappers that open, call a plain function and report."""
