"""Figures for people, computed from the ledger for a time. Nothing here writes."""
