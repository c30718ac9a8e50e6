"""What `sealstream worker` does in each of its roles, a module a role; `running.workers` runs those of one process."""
