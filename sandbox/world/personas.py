"""The four people and devices that demonstrations and tests speak for."""

from __future__ import annotations

from .entities import Persona
from .people import OWNER
from .world import World

ADVISER = "ST-SH0217-1"
HEAD_UNIT_VIN = "LDCA1AB57SB000001"


def add_personas(world: World) -> None:
    personas = (
        Persona("guest", "A visitor without an account", "WEB", "zh-CN"),
        Persona("owner", "Lin Xiao, owner of three cars", "APP", "zh-CN", customer_id=OWNER),
        Persona("adviser", "An adviser in Shanghai Pudong", "STORE", "zh-CN", staff_id=ADVISER, centre_id="SH0217"),
        Persona("head-unit", "The head unit of Lin Xiao's A5", "IN_CAR", "zh-CN", vin=HEAD_UNIT_VIN),
    )
    world.personas |= {persona.id: persona for persona in personas}
