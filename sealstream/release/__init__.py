"""The process that holds the keys, and what others ask it over a Unix socket. What it opens is agents.release."""
