"""The demo's sample: a small repository with a real defect and a failing test, and the script that plays the model."""
