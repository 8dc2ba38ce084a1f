"""What Baton costs beside plain Temporal, measured as ratios of interleaved rounds. Never part of a pass or a fail."""
