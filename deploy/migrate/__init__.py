"""More partitions for a running system: the topics grow, the state moves to where its accounts then live."""
