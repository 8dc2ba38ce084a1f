"""Money in the ledger: reservations, ceilings, children's slices, rate limits."""
