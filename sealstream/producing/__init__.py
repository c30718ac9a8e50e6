"""The producers' side of the commands: feeds read, items signed and published."""
