"""From a frame of messages to a commit: door, interpretation, classification, sealing, group commit."""
