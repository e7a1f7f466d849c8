"""What Renault's numbers, codes and models mean."""

from __future__ import annotations

from collections.abc import Mapping

from oem_connectors.base import Can
from oem_connectors.errors import OemError, Rejected, Throttled, Unsupported
from streams.contracts.telemetry import Charge, Plug

#: -1 is a fault of the plug and -2147483648 no value: the cable may be in.
PLUGS: Mapping[float | None, Plug] = {0: Plug.UNPLUGGED, 1: Plug.PLUGGED}

#: 0.4 (flap open), -1.1 (not available), -1.3 (waits to discharge) and -1.4 (feeds a device) say nothing of charging.
CHARGES: Mapping[float | None, Charge] = {
    0.0: Charge.IDLE,
    0.1: Charge.SCHEDULED,
    0.2: Charge.COMPLETE,
    0.3: Charge.STARTING,
    1.0: Charge.CHARGING,
    -1.5: Charge.DISCHARGING,
    -1.6: Charge.CHARGING,
}
#: "Not charging" on the Zoe's first phase, a fault on later cars; the answer does not tell which car it is.
AMBIGUOUS = -1.0

#: By model code. Others cannot be started by one call, or nobody has seen that they can.
CONTROL: Mapping[str, Can] = {
    "X101VE": Can.START,  # Zoe, first phase
    "X102VE": Can.START | Can.STOP,  # Zoe, second phase
    "XBG1VE": Can.START | Can.STOP,  # Dacia Spring
    "XCB1VE": Can.START,  # Megane E-Tech
}

#: What `engineEnergyType` says of cars without a plug.
PLUGLESS = frozenset({"HEV", "OTHER"})

#: Errors after which the car is as it was.
REFUSALS: Mapping[str, type[OemError]] = {
    "409001": Throttled,  # an earlier command is still under way
    "err.func.wired.overloaded": Throttled,
    "err.func.400": Rejected,
    "err.func.403": Rejected,
    "err.func.privacy.on": Rejected,  # until the driver lifts it in the car
    "err.func.wired.forbidden": Rejected,
    "err.func.wired.notFound": Unsupported,
    "err.tech.501": Unsupported,
}
#: Inside the text of err.func.403: this gateway does not know the operation.
NO_OPERATION = "403011"
#: The login has ended, is not verified, or is not known any more.
LOST = frozenset({"403005", "403013", "403042"})

#: What tells nothing of the car's state, by its mark.
OTHERS: Mapping[str, str] = {
    "chargeSummaries": "a history of charges",
    "charges": "a history of charges",
    "schedules": "weekly times",
    "calendar": "weekly times",
    "programs": "weekly times without a zone",
    "chargeMode": "the mode of charging",
    "action": "the echo of a command",
    "commandId": "the echo of a command",
    "gpsLatitude": "where the car is",
    "hvacStatus": "heating",
    "lockStatus": "doors",
    "flPressure": "tyres",
}
