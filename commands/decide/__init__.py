"""Commands that decide at gates and that control a run."""
