"""Contracts of the pipeline Delivery alone."""
