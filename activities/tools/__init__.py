"""Tools that agents can use: each with an argument model, a result model and a function. No effects on the outside world."""
