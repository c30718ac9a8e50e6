"""The producers' side: feeds read, items signed, published, and a period closed."""
