"""The cheapest way to put a given energy into a car before a given time: exact, in microseconds, without a solver."""

from streams.domain.planner.curve import CostSlot, Curve, Profile, combine, price_of
from streams.domain.planner.problem import Plan, PlanRequest, Policy
from streams.domain.planner.solve import plan

__all__ = ["CostSlot", "Curve", "Plan", "PlanRequest", "Policy", "Profile", "combine", "plan", "price_of"]
