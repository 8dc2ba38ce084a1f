"""Model endpoints: one module for each wire format, and one meaning for each of their errors. Only the worker loads SDKs."""
