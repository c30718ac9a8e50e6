"""What the commands of an auditor do: verify, export, prove, serve, follow and recover this installation's logs."""
