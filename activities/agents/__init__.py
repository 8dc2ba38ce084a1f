"""Agents as files: their versions, routes, releases and fallbacks."""
