"""Money before it is spent: what a call can cost, which ceilings it counts against, and whether there is room for a run."""
