"""Who asks, and what they may see: identity, policy, masking, approvals. Pure; rows are streams, acting is agents."""
