"""Who may see what: people, policies, approvals, and the looks that the log keeps."""
