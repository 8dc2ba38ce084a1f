"""What a run works on: its repository, workspaces and changes, and the checks that prove them."""
