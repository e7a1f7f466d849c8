"""The subcommands of `d2ev`, one module per group. They parse and print; the work is elsewhere."""
