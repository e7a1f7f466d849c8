"""What operators look at: every metric in one list, dashboards made from it, alerts and runbooks checked against it."""
