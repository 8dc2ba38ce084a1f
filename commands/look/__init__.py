"""Looking: what ran, what was done and why, who works here, what it cost."""
