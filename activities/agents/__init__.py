"""Agents as files: their versions, their routes, their releases, and what stands in for them."""
