"""The guardian: a process of its own that starts held cars when control has died, and can do nothing else."""
