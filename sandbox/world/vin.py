"""Vehicle identification numbers: ISO 3779 characters and the check digit at position 9."""

from __future__ import annotations

_VALUES = {str(digit): digit for digit in range(10)} | {
    **dict(zip("ABCDEFGH", range(1, 9), strict=True)),
    **dict(zip("JKLMN", range(1, 6), strict=True)),
    "P": 7,
    "R": 9,
    **dict(zip("STUVWXYZ", range(2, 10), strict=True)),
}
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def check_digit(vin: str) -> str:
    """The digit (or X) that belongs at position 9 of these 17 characters, whatever stands there now."""
    total = sum(_VALUES[character] * weight for character, weight in zip(vin, _WEIGHTS, strict=True))
    return "0123456789X"[total % 11]


def is_valid(vin: str) -> bool:
    return len(vin) == 17 and all(c in _VALUES for c in vin) and vin[8] == check_digit(vin)


def make_vin(maker: str, descriptor: str, year: str, plant: str, serial: int) -> str:
    """Maker (3), descriptor (5), model year letter, plant letter and serial as a valid VIN."""
    blank = f"{maker}{descriptor}0{year}{plant}{serial:06d}"
    return f"{blank[:8]}{check_digit(blank)}{blank[9:]}"
