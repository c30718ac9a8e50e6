"""The face of the platform: commands, settings, wiring, sample feeds, the one-shot run and its report."""
