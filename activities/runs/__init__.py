"""A run as a whole: how it is let in, its record, what it carries over; and a worker's upkeep of the ledger."""
