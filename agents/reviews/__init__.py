"""What a person decides where a model did not."""
