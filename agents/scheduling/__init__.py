"""Which work runs next, on which device, in which batch. `scheduler` holds the state, `slack_policy` decides."""
