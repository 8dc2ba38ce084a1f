"""Tools that agents can use: each with its argument model, its result model and its function. Never an outside effect."""
