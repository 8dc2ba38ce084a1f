"""The demo and its sample repository."""
