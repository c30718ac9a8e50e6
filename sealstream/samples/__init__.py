"""Sample data: made-up parties, narratives and feeds. Nothing here comes from a real customer or a third-party file."""
