"""Going on after something is gone: a topic, the last leaves of a log, or the database that held them."""
