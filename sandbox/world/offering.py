"""Brands, models, trims, option groups, options and packages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from . import options_exterior as exterior
from . import options_interior as interior
from . import options_technology as technology
from .entities import (
    Availability,
    Brand,
    Cardinality,
    Option,
    OptionGroup,
    Package,
    Text,
    Trim,
    TrimOption,
    VehicleModel,
)
from .table import rows
from .world import World

# group, zh, en, cardinality, options
_GROUPS: tuple[tuple[str, str, str, Cardinality, str], ...] = (
    ("DRIVE", "驱动", "Drive", "EXACTLY_ONE", technology.DRIVE),
    ("BATTERY", "电池", "Battery", "EXACTLY_ONE", technology.BATTERY),
    ("PAINT", "车漆", "Paint", "EXACTLY_ONE", exterior.PAINT),
    ("WHEELS", "轮毂", "Wheels", "EXACTLY_ONE", exterior.WHEELS),
    ("ROOF", "车顶", "Roof", "EXACTLY_ONE", exterior.ROOF),
    ("LIGHTS", "灯光", "Lights", "ANY", exterior.LIGHTS),
    ("GLASS", "玻璃", "Glass", "ANY", exterior.GLASS),
    ("TOW", "拖挂", "Towing", "ONE_OR_NONE", exterior.TOW),
    ("EXTERIOR", "外观", "Exterior", "ANY", exterior.EXTERIOR),
    ("INTERIOR", "内饰", "Interior", "EXACTLY_ONE", interior.INTERIOR),
    ("SEATS", "座椅", "Seats", "ANY", interior.SEATS),
    ("STEERING", "方向盘", "Steering wheel", "EXACTLY_ONE", interior.STEERING),
    ("DECOR", "饰板", "Inlays", "ANY", interior.DECOR),
    ("CLIMATE", "空调", "Climate", "ANY", interior.CLIMATE),
    ("COMFORT", "舒适", "Comfort", "ANY", interior.COMFORT),
    ("AUDIO", "音响", "Audio", "ANY", technology.AUDIO),
    ("DISPLAY", "屏幕", "Displays", "ANY", technology.DISPLAY),
    ("ASSIST", "驾驶辅助", "Driver assistance", "EXACTLY_ONE", technology.ASSIST),
    ("SENSING", "感知与泊车", "Sensing and parking", "ANY", technology.SENSING),
    ("CHARGING", "充电", "Charging", "ONE_OR_NONE", technology.CHARGING),
    ("CHASSIS", "底盘", "Chassis", "ANY", technology.CHASSIS),
    ("CONNECT", "互联", "Connectivity", "EXACTLY_ONE", technology.CONNECT),
    ("SECURITY", "安全", "Security", "ANY", technology.SECURITY),
)

WITHDRAWN_OPTION = "KX9"  # Aurora Purple went out of the range three weeks ago

_MODELS = """
A5|ASTER|ASTER A5|ASTER A5|纯电轿跑，每天都轻快。|An electric saloon that makes every day light.|SEDAN
A7|ASTER|ASTER A7|ASTER A7|全家的纯电 SUV。|The electric SUV for the whole family.|SUV
E9|ASTER|ASTER E9|ASTER E9|旗舰行政座驾。|The flagship for those who sit in the back.|SEDAN
V3|VELA|VELA V3|VELA V3|灵巧城市小车，停哪儿都行。|A nimble city car that parks anywhere.|HATCH
"""

# trim | zh | en | copy zh, en | yuan | availability | stock | weeks min, max | km | kW | defaults (fixed ones end in !)
_TRIMS = """
A5-CORE|标准版|Core|该有的都有。|All that a car needs.|199900|BUILD|400|4|6|560|200|
  Q1R! J1S K2G W18 R0S L1L! G0S I1B S1S V1S D1A C1A A1S M1S P1B N1B! B1C
A5-PLUS|长续航版|Plus|一周一充。|One charge a week.|219900|BUILD|600|3|5|720|210|
  Q1R! J2L! K2G W18 R1P L1L! G0S I1B S2C V1S D1A C2D A2P M2L P1B N1B B1C
A5-PRO|智驾版|Pro|城市高速都轻松。|Easy in town and on the highway.|249900|STOCK|37|1|2|700|220|
  Q1R J2L! K7S W19 R1P L2M! G1A I1B S2C V2H D7L D1A C2D A2P M2L! P2H N2P B1C P8S!
A5-RS|性能版|RS|赛道基因。|Bred on the track.|329900|SOLD_OUT|0|12|16|650|460|
  Q3P! J2L! K4R W20S R0S L2M! G1A I5R S3P! V3P! D4C C2D A2P M2L! P2H N2P B1C H2D! H5B! E3S!
A7-CORE|标准版|Core|宽敞好开。|Roomy and easy to drive.|239900|BUILD|350|4|6|580|220|
  Q1R! J2L K1W W19A R0S L1L! G0S I2G S1S V1S D1A C2D A1S M2L P1B N1B B1C
A7-PLUS|长续航版|Plus|周末说走就走。|Ready for the weekend.|269900|BUILD|420|5|7|690|240|
  Q1R J2L! K5U W19 R1P L2M! G1A I1B S2C V1S D1A C3T A2P M2L! P1B N1B B1C E7F!
A7-PRO|智驾版|Pro|远方也从容。|Calm over long distances.|309900|STOCK|21|1|3|670|380|
  Q2A! J2L! K2G W20 R1P L2M! G1A I4T S2C V2H D2W C3T A3X M2L! P2H N2P B1C E7F! P8S! F1W
A7-SEVEN|七座版|Seven|三代同行。|Three generations on board.|319900|BUILD|180|6|8|640|380|
  Q2A! J2L! K1W W20 R1P L2M! G1A I3W S2C S9K! V1S D2W C3T A2P M2L! P1B N2P B1C E7F! Z3A!
E9-EXEC|行政版|Executive|从容抵达。|Arrive composed.|459900|BUILD|120|6|9|750|400|
  Q2A! J2L K3B W20 R1P L2M! G1A! I4T S4M V2H D2W C3T A3X M2L! P2H N2P! B2H H3A! E5H! E7F!
E9-GRAND|尊享版|Grand|后排为先。|The rear seats come first.|559900|BUILD|60|8|10|730|420|
  Q2A! J2L K3B W21 R2E L3P! G1A! I6N S4M! S5Z! V4Y D5S C4Q! A3X M2L! P2H N2P! B2H H3A! H4R! E5H! E7F!
E9-SIGNATURE|典藏版|Signature|限量典藏。|A numbered edition.|699900|SOLD_OUT|0|20|26|900|480|
  Q2A! J3U! KM2 W22 R4C L3P! G1A! I7A S4M! S5Z! V4Y! D5S D7L C4Q! A4R! M2L! M5R! P3C P4L! N3S! B4V H3A! H4R! E5H! E7F!
V3-CITY|城市版|City|好停又好开。|Easy to park, easy to drive.|99900|BUILD|800|2|4|330|70|
  Q1R! J1S! K1W W17 R0S! L1L! G0S I2G S1S V1S D6R C1A A1S M1S! P1B! N1B! B1C
V3-JOY|悦享版|Joy|颜色由你。|You choose the colours.|119900|STOCK|64|1|2|405|100|
  Q1R! J1S KV1 W17 R0S L1L! G0S I8V S1S V1S D6R C1A A1S M1S! P1B! N1B! B1C F6K
V3-PLAY|音浪版|Play|一路有歌。|Music all the way.|139900|BUILD|300|3|5|515|120|
  Q1R! J4C! KV2 W18 R3O L1L! L4R G0S I9L S1S S6H V2H D6R D7L C1A C5P A2P M1S! P1B! N1B! B1C F6K
"""

_PACKAGES = """
PKW|冬季套装|Winter package|座椅、方向盘与热泵，一次备齐。|Seats, wheel and heat pump in one.|S7R V2H C5P|5200
PKC|城市舒适套装|City comfort|通风座椅、无线充电与香氛。|Ventilated seats, wireless charging, fragrance.|S8V F1W C6F|
  4800
PKA|智驾套装|Pilot package|城市领航、激光雷达与抬头显示。|City pilot, lidar and head-up display.|P3C P4L M3H|34000
PKB|黑武士套装|Black package|黑化套件、隐私玻璃与涡轮轮毂。|Black parts, privacy glass, turbine wheels.|E1B G2P W20|
  13800
PKP|性能套装|Track package|自适应减振、运动制动与运动方向盘。|Adaptive dampers, sport brakes, sport wheel.|
  H2D H5B V3P|19800
PKR|后排尊享套装|Rear lounge|冰箱、小桌板与后排屏。|Refrigerator, tables and rear display.|F2R F3T M5R|14800
PKT|户外套装|Outdoor package|行李架、拖车钩与外放电。|Roof rails, tow bar, external power.|R5R T1M F9V|8600
PKL|安心守护套装|Guardian package|记录仪、哨兵与 360 影像。|Dash camera, sentry and 360 view.|Z1D Z2S P8S|2900
PKV|都市暖冬套装|City warm package|加热座椅、加热方向盘与热泵。|Heated seats, heated wheel, heat pump.|S6H V2H C5P|4600
PKS|影音套装|Studio package|环绕声、氛围灯与副驾屏。|Surround sound, ambient light, passenger display.|A3X D7L M4P|14200
"""


@dataclass(frozen=True, slots=True)
class _Row:
    option: Option
    models: str


def add_offering(world: World) -> None:
    world.rule_set_version = "2025.11-R3"
    world.price_version = "2025.11-P2"
    world.brands |= {"ASTER": Brand("ASTER", Text("星曜", "Aster")), "VELA": Brand("VELA", Text("维拉", "Vela"))}
    table = _options(world)
    world.options |= {code: row.option for code, row in table.items()}
    for code, zh, en, copy_zh, copy_en, includes, yuan in rows(_PACKAGES):
        package = Package(code, Text(zh, en), Text(copy_zh, copy_en), tuple(includes.split()), int(yuan) * 100)
        world.packages[code] = package
    for columns in rows(_TRIMS):
        trim = _trim(world, table, columns)
        world.trims[trim.id] = trim
    for code, brand, zh, en, copy_zh, copy_en, body in rows(_MODELS):
        world.models[code] = VehicleModel(
            id=code,
            brand="VELA" if brand == "VELA" else "ASTER",
            name=Text(zh, en),
            description=Text(copy_zh, copy_en),
            body="SUV" if body == "SUV" else "HATCH" if body == "HATCH" else "SEDAN",
            model_year=world.today.year,
            image=f"images/models/{code.lower()}.png",
            trim_ids=tuple(t.id for t in world.trims.values() if t.model_id == code),
        )


def _options(world: World) -> dict[str, _Row]:
    found: dict[str, _Row] = {}
    for sort, (group, zh, en, cardinality, text) in enumerate(_GROUPS, 1):
        world.option_groups[group] = OptionGroup(group, Text(zh, en), cardinality, sort)
        for code, models, yuan, name_zh, name_en, copy_zh, copy_en, *hardware in rows(text):
            option = Option(
                code=code,
                group=group,
                name=Text(name_zh, name_en),
                description=Text(copy_zh, copy_en),
                price_fen=int(yuan) * 100,
                image=f"images/options/{code.lower()}.png",
                hardware_code=hardware[0] if hardware else None,
                withdrawn_on=world.today - timedelta(days=21) if code == WITHDRAWN_OPTION else None,
            )
            found[code] = _Row(option, models)
    return found


def _trim(world: World, table: dict[str, _Row], columns: list[str]) -> Trim:
    code, zh, en, copy_zh, copy_en, yuan, availability, stock, low, high, km, kw, defaults = columns
    digit = {"A5": "5", "A7": "7", "E9": "9", "V3": "3"}[code.split("-")[0]]
    picked = defaults.split()
    fixed = {pick.rstrip("!") for pick in picked if pick.endswith("!")}
    default_options = tuple(pick.rstrip("!") for pick in picked)
    # A group with a fixed option and room for one offers nothing else.
    closed = {table[c].option.group for c in fixed if world.option_groups[table[c].option.group].cardinality != "ANY"}
    offered = {
        option_code: TrimOption(
            code=option_code,
            price_fen=0 if option_code in default_options else row.option.price_fen,
            standard=option_code in default_options,
            fixed=option_code in fixed,
        )
        for option_code, row in table.items()
        if option_code in default_options or (digit in row.models and row.option.group not in closed)
    }
    states: dict[str, Availability] = {"BUILD": "BUILD", "STOCK": "STOCK", "SOLD_OUT": "SOLD_OUT"}
    return Trim(
        id=code,
        model_id=code.split("-")[0],
        name=Text(zh, en),
        description=Text(copy_zh, copy_en),
        price_fen=int(yuan) * 100,
        availability=states[availability],
        stock=int(stock),
        delivery_weeks_min=int(low),
        delivery_weeks_max=int(high),
        range_km=int(km),
        power_kw=int(kw),
        options=offered,
        default_options=default_options,
        package_codes=tuple(
            p.code for p in world.packages.values() if set(p.includes) <= offered.keys() - set(default_options)
        ),
    )
