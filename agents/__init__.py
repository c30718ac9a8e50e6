"""The work on records: intake, routing, inference, commits, the sequencer and the relay."""
