"""Speed as ratios within one run, started by `make bench`; what must hold is tested elsewhere."""
