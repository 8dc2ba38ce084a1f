"""The work that workflows ask for: everything that touches a clock, a disk, a network or the ledger.

Each folder is a room: one thing that activities are about. A room imports only from rooms below it in this list:

- `turns`: one turn of an agent, with the model call and the tool calls
- `notices`: what people hear of wherever they are
- `runs`: admitting a run, its record, and what a worker does beside its tasks
- `support`: desks, their tickets and cases
- `actions`, `agents`, `gates`: effects on the outside world; agents as files; decisions of people
- `tools`: what agents can use
- `logfiles`: copies of services' logs, and what they show without a model
- `repositories`: what a run works on, and the checks on its changes
- `git`, `money`, `providers`, `sandbox`: mirrors and trees; prices and ceilings; model endpoints; untrusted commands
- `files`, `running`: safe file access; what every activity needs to run
"""
