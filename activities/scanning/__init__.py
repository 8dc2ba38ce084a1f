"""What is found in a change without a model: by ruff, bandit and patterns. Nothing of the reviewed code is run."""
