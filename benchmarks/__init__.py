"""What Baton costs compared with plain Temporal, as ratios of interleaved rounds. Never a pass or fail."""
