"""`d2ev replay`: what was planned, made again from the log; and what other rules would have made of the same stays."""
