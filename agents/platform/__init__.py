"""What every process opens first, and what a change needs that is signed and logged: identity, keys, knowledge."""
