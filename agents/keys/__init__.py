"""Changes of producers' keys and of tier keys, each with its leaf."""
