"""The fail-safe drill: all workers die on a winter night while every car is held, and the guardian has to see to it."""
