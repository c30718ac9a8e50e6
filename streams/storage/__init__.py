"""Everything that speaks SQL: migrations, the commit, the sequencer's and the relay's rows, reading, keys."""
