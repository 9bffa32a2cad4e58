"""All tests, by room: unit, integration, architecture, faults, browser, benchmarks."""
