"""What actions do in the world: the arguments of each adapter, and where they may act. `every.py` lists them."""
