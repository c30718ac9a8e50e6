"""What records are: events, transactions, statements, results, audit leaves, the field catalogue, the tables.

Nothing here opens a file, a socket or a database; every other package may import this one.
"""
