"""One coherent, deterministic world that every simulated upstream is served from."""

from .build import build_world
from .world import PILOT_REGION, World

__all__ = ["PILOT_REGION", "World", "build_world"]
