"""The work on records, from a frame of messages to what somebody sees of them. CONTRIBUTING.md lists the packages."""
