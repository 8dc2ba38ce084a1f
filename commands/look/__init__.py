"""Read-only commands: what ran, what was done and why, which agents there are, what it cost."""
