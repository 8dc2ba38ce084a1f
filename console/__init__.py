"""The operator's console: web pages over the ledger. They show; what they say to do is done by commands."""
