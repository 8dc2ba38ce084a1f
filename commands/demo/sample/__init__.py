"""The demo's sample: a small repository with a real defect and a failing test, and the script of the model that plays."""
