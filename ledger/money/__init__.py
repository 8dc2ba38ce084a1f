"""Money in the ledger: reservations, ceilings, children's slices, limits per minute."""
