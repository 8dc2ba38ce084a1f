"""What people look at: queries over the ledger's tables, for commands and whatever else shows a run. Nothing here writes."""
