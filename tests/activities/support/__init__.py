"""Desks: reading, sorting, looking up and answering, without any workflow."""
