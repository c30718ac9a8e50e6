"""The ways by which somebody reads: records, refused messages, receipts, evidence packs."""
