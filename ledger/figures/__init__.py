"""Figures for people, computed from the ledger for a period. Nothing here writes."""
