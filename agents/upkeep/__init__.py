"""What is done to sealed data that is there already, beside running workers: sealed anew, indexed anew, erased."""
