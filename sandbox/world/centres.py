"""Regions, the twelve service centres and their slots for the next fortnight."""

from __future__ import annotations

from .entities import BrandCode, Centre, CentreService, OpeningHours, Region, RegionCode, Slot, Text
from .rng import local, stream
from .table import rows
from .world import World

_REGIONS: dict[RegionCode, Text] = {
    "EAST": Text("华东", "East China"),
    "SOUTH": Text("华南", "South China"),
    "NORTH": Text("华北", "North China"),
    "WEST": Text("西部", "West China"),
}

# code | region | names zh, en | cities zh, en | addresses zh, en | latitude | longitude | phone | bays | brands
_CENTRES = """
SH0217|EAST|上海浦东服务中心|Shanghai Pudong|上海|Shanghai|浦东新区张杨路2389号|2389 Zhangyang Road, Pudong|31.2297|
  121.5447|02150000217|14|AV
HZ0118|EAST|杭州滨江服务中心|Hangzhou Binjiang|杭州|Hangzhou|滨江区江南大道3688号|3688 Jiangnan Avenue, Binjiang|
  30.2084|120.2120|057150000118|10|AV
NJ0305|EAST|南京江宁服务中心|Nanjing Jiangning|南京|Nanjing|江宁区双龙大道1698号|1698 Shuanglong Avenue, Jiangning|
  31.9535|118.8400|02550000305|8|A
GZ0106|SOUTH|广州天河服务中心|Guangzhou Tianhe|广州|Guangzhou|天河区黄埔大道中199号|
  199 Huangpu Avenue Central, Tianhe|23.1200|113.3700|02050000106|12|AV
SZ0412|SOUTH|深圳南山服务中心|Shenzhen Nanshan|深圳|Shenzhen|南山区沙河西路1809号|1809 Shahe West Road, Nanshan|
  22.5405|113.9530|075550000412|12|AV
XM0209|SOUTH|厦门湖里服务中心|Xiamen Huli|厦门|Xiamen|湖里区金尚路826号|826 Jinshang Road, Huli|24.5120|118.1460|
  059250000209|6|V
BJ0101|NORTH|北京朝阳服务中心|Beijing Chaoyang|北京|Beijing|朝阳区来广营西路8号|8 Laiguangying West Road, Chaoyang|
  40.0210|116.4560|01050000101|16|AV
TJ0203|NORTH|天津河西服务中心|Tianjin Hexi|天津|Tianjin|河西区解放南路466号|466 Jiefang South Road, Hexi|39.0780|
  117.2330|02250000203|8|A
SY0308|NORTH|沈阳浑南服务中心|Shenyang Hunnan|沈阳|Shenyang|浑南区浑南中路52号|52 Hunnan Middle Road, Hunnan|41.7190|
  123.4600|02450000308|6|AV
CD0105|WEST|成都高新服务中心|Chengdu Hi-Tech|成都|Chengdu|高新区天府大道北段1480号|
  1480 Tianfu Avenue North, Hi-Tech Zone|30.5730|104.0660|02850000105|12|AV
CQ0211|WEST|重庆渝北服务中心|Chongqing Yubei|重庆|Chongqing|渝北区金开大道1003号|1003 Jinkai Avenue, Yubei|29.6340|
  106.5580|02350000211|10|AV
XA0307|WEST|西安雁塔服务中心|Xi'an Yanta|西安|Xi'an|雁塔区科技路48号|48 Keji Road, Yanta|34.2330|108.9060|02950000307|
  8|AV
"""

_HOURS = (OpeningHours((1, 2, 3, 4, 5), "08:30", "18:30"), OpeningHours((6, 7), "09:00", "17:30"))
_BRANDS: dict[str, tuple[BrandCode, ...]] = {"AV": ("ASTER", "VELA"), "A": ("ASTER",), "V": ("VELA",)}
_SERVICES: tuple[CentreService, ...] = ("MAINTENANCE", "REPAIR", "TEST_DRIVE", "DELIVERY")
_SERVICE_STARTS = ("09:00", "10:00", "11:00", "13:30", "14:30", "15:30", "16:30")
_DRIVE_STARTS = ("09:30", "11:00", "14:00", "15:30")
SLOT_DAYS = 14


def add_centres(world: World) -> None:
    world.regions |= {code: Region(code, name) for code, name in _REGIONS.items()}
    for row in rows(_CENTRES):
        code, region, zh, en, city_zh, city_en, street_zh, street_en, latitude, longitude, phone, bays, brands = row
        large = int(bays) >= 10
        world.centres[code] = Centre(
            id=code,
            region=next(known for known in _REGIONS if known == region),
            name=Text(zh, en),
            address=Text(street_zh, street_en),
            city=Text(city_zh, city_en),
            latitude=float(latitude),
            longitude=float(longitude),
            phone=phone,
            opening_hours=_HOURS,
            brands=_BRANDS[brands],
            services=(*_SERVICES, "BODYWORK", "PICKUP") if large else _SERVICES,
            bays=int(bays),
        )
    _add_slots(world)


def _add_slots(world: World) -> None:
    """Slot ids count days from today (``D01`` is tomorrow), so they stay the same whatever today is."""
    random = stream(world, "slots")
    for centre in world.centres.values():
        for day in range(1, SLOT_DAYS + 1):
            for number, start in enumerate(_SERVICE_STARTS, 1):
                taken = random.choice((0, 0, 1, 1, 2, centre.bays // 3, centre.bays // 3))
                _add_slot(world, f"SL-{centre.id}-D{day:02d}-{number}", centre, start, day, centre.bays // 3, taken)
            for number, start in enumerate(_DRIVE_STARTS, 1):
                slot_id = f"TD-{centre.id}-D{day:02d}-{number}"
                _add_slot(world, slot_id, centre, start, day, 2, random.choice((0, 0, 0, 1, 2)))


def _add_slot(world: World, slot_id: str, centre: Centre, start: str, day: int, capacity: int, taken: int) -> None:
    service = slot_id.startswith("SL")
    end = f"{int(start[:2]) + 1:02d}{start[2:]}"
    world.slots[slot_id] = Slot(
        id=slot_id,
        centre_id=centre.id,
        kind="SERVICE" if service else "TEST_DRIVE",
        starts_at=local(world, day, start),
        ends_at=local(world, day, end),
        capacity=capacity,
        taken=min(taken, capacity),
    )
