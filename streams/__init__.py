"""The substrate: Faust app, frame transport, topics, storage (the only SQL), embedded broker and database."""
