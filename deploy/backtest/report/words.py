"""Names as people read them."""

from __future__ import annotations

from typing import Final

WAY_NAMES: Final = {
    "unmanaged": "Unmanaged",
    "timer": "Timer, 00:30",
    "ideal": "D2EV, ideal car",
    "evcc": "evcc's rule, ideal car",
    "one_block": "One block, foresight",
    "managed": "D2EV, managed",
    "two_blocks": "Two blocks, foresight",
    "oracle": "Oracle",
}

CAUSE_NAMES: Final = {
    "block_and_delay_policy": "Blocks, margin and offsets",
    "forecast_error": "Forecast error",
    "power_and_soc_model": "Power and charge model",
    "late_commands": "Late commands",
    "detection_leak": "Leak until noticed",
}

PROMISE_NAMES: Final = {
    "met": "met",
    "missed": "missed though feasible",
    "unreachable": "out of reach from plug-in",
    "left_early": "left before the time asked for",
}
