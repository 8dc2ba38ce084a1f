"""Loading: files are read and mapped by code, and their rows are put into declared tables in batches, each once."""
