"""Commands that start pipelines."""
