"""Logs of services: found, copied, taken apart into records, and what they show without any model."""
