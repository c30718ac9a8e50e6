"""Who acts and how that is shown: tokens, persons' keys, signed changes, the parts of access control."""
