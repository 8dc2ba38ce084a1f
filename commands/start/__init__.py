"""Starting pipelines."""
