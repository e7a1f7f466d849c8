"""What flows: the published contracts, the pure rules, the topics."""
