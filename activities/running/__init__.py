"""What every activity needs to run: heartbeats, commits with its feed lines, shields, tracing, failpoints for tests."""
