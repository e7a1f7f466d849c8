"""A place, reduced to the one bit that may leave: is the car at home?"""

from __future__ import annotations

from math import asin, cos, hypot, isfinite, radians, sin, sqrt

#: A parked car's position and the place of its home are each off by some tens of metres.
NEAR_M = 150.0
_EARTH_M = 6_371_000.0
Place = tuple[float, float]


def is_home(place: Place | None, home: str) -> bool | None:
    """Whether a place, (latitude, longitude) in degrees, is that of `home`, "latitude,longitude"; None: unknown."""
    at = parse_place(home)
    if place is None or at is None:
        return None
    return distance_m(place, at) <= NEAR_M


def parse_place(text: str) -> Place | None:
    """ "latitude,longitude" in degrees; None where it is no place on Earth."""
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError:
        return None
    return (latitude, longitude) if _on_earth(latitude, longitude) else None


def distance_m(one: Place, other: Place) -> float:
    """Along the great circle."""
    (lat1, lon1), (lat2, lon2) = ((radians(a), radians(b)) for a, b in (one, other))
    chord = hypot(sin((lat2 - lat1) / 2), sqrt(cos(lat1) * cos(lat2)) * sin((lon2 - lon1) / 2))
    return 2 * _EARTH_M * asin(min(1.0, chord))


def _on_earth(latitude: float, longitude: float) -> bool:
    return isfinite(latitude) and isfinite(longitude) and abs(latitude) <= 90 and abs(longitude) <= 180
