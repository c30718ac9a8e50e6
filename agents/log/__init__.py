"""The audit log: placing committed leaves, its tree and tiles, checkpoints, and who attests, follows or copies it."""
