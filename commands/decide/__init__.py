"""Deciding at gates, and an operator's hand on a run."""
