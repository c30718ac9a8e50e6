"""Publishing the sequenced log to Kafka."""
