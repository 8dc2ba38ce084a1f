"""Tests of what is found without a model."""
