"""Ceilings: shown, raised, reviewed; what was charged, corrected."""
