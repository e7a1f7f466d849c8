"""A car maker's cloud over real HTTP, with its own truth about every car: the judge of what was done."""
