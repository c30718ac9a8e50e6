"""Opening sealed records for somebody, once a look is in the log."""
