"""Content bundles in versions: home screen, owner's manual, boot animation, voice packs and a past festival theme."""

from __future__ import annotations

from datetime import datetime, timedelta

from .assets import asset, delta_between, json_bytes, png, wav
from .entities import Asset, Bundle, Language, ScreenClass
from .rng import ago
from .world import World

LOCALES: tuple[Language, ...] = ("zh-CN", "en")
_HEAD_UNITS: tuple[ScreenClass, ...] = ("head-unit-12", "head-unit-8")
_EVERYWHERE: tuple[ScreenClass, ...] = (*_HEAD_UNITS, "phone")
_SIZES: dict[ScreenClass, tuple[int, int]] = {"head-unit-12": (240, 90), "head-unit-8": (160, 96), "phone": (90, 160)}

_MANUAL = {
    "zh-CN": (
        ("charging", "充电", "打开充电口盖，插入充电枪，指示灯呈绿色闪烁即开始充电。"),
        ("tyres", "轮胎", "冷胎标准胎压为 240 千帕，满载时为 260 千帕。"),
        ("child-seat", "儿童座椅", "ISOFIX 接口位于后排两侧座椅靠背下方。"),
        ("emergency", "紧急情况", "长按方向盘右侧按键三秒，可呼叫道路救援。"),
    ),
    "en": (
        ("charging", "Charging", "Open the flap and plug in. A green blinking light means that the car is charging."),
        ("tyres", "Tyres", "Cold pressure is 240 kPa, fully loaded 260 kPa."),
        ("child-seat", "Child seats", "ISOFIX anchors are under the outer rear backrests."),
        ("emergency", "Emergencies", "Hold the right wheel button for three seconds to call for help."),
    ),
}
_HOME = {
    "zh-CN": {"greeting": "早上好", "tiles": ["续航", "空调", "导航", "音乐"]},
    "en": {"greeting": "Good morning", "tiles": ["Range", "Climate", "Navigation", "Music"]},
}
_VOICES = {"zh-CN": ("xiaoxing", "小星"), "en": ("nova", "Nova")}


def bundle_key(bundle_id: str, version: int, locale: str, screen_class: str) -> str:
    """The key of ``World.bundles``: ``home-screen/3/zh-CN/head-unit-12``."""
    return f"{bundle_id}/{version}/{locale}/{screen_class}"


def add_content(world: World) -> None:
    for locale in LOCALES:
        for screen in _EVERYWHERE:
            _home_screen(world, locale, screen)
            _manual(world, locale, screen)
        for screen in _HEAD_UNITS:
            _boot_animation(world, locale, screen)
            _voice_pack(world, locale, screen)
            _festival(world, locale, screen)


def _publish(
    world: World,
    bundle_id: str,
    version: int,
    locale: Language,
    screen: ScreenClass,
    assets: list[Asset],
    min_software: str,
    published_at: datetime,
    removed: tuple[str, ...] = (),
    expires_at: datetime | None = None,
) -> None:
    world.bundles[bundle_key(bundle_id, version, locale, screen)] = Bundle(
        id=bundle_id,
        version=version,
        locale=locale,
        screen_class=screen,
        brand=None,
        min_software=min_software,
        published_at=published_at,
        expires_at=expires_at,
        previous_version=version - 1 if version > 1 else None,
        assets=tuple(assets),
        removed=removed,
    )


def _home_screen(world: World, locale: Language, screen: ScreenClass) -> None:
    """Three versions: the second repaints the wallpaper by delta, the third drops the tips."""
    width, height = _SIZES[screen]
    layout = asset("layout.json", json_bytes({**_HOME[locale], "columns": 4 if screen != "phone" else 2}))
    dusk = asset("wallpaper.png", png(width, height, (24, 32, 56), (220, 140, 96)))
    tips = asset("tips.json", json_bytes({"tip": {"zh-CN": "上滑查看更多", "en": "Swipe up for more"}[locale]}))
    chime = asset("sounds/chime.wav", wav((523, 659)))
    dawn_bytes = png(width, height, (24, 32, 56), (240, 180, 120))
    dawn = asset("wallpaper.png", dawn_bytes, delta_between(dusk, dawn_bytes))
    camping = json_bytes({**_HOME[locale], "columns": 4 if screen != "phone" else 2, "camping": True})
    newest = asset("layout.json", camping, delta_between(layout, camping))
    _publish(world, "home-screen", 1, locale, screen, [layout, dusk, tips], "2.9.0", ago(world, days=120))
    _publish(world, "home-screen", 2, locale, screen, [layout, dawn, tips, chime], "3.0.0", ago(world, days=40))
    plain = asset("wallpaper.png", dawn_bytes)
    _publish(
        world, "home-screen", 3, locale, screen, [newest, plain, chime], "3.3.0", ago(world, days=4), ("tips.json",)
    )


def _manual(world: World, locale: Language, screen: ScreenClass) -> None:
    """The second version rewrites one chapter and brings it as a delta."""
    width, height = _SIZES[screen]
    cover = asset("cover.png", png(width, height, (236, 236, 230), (180, 196, 204)))
    chapters = [
        asset(f"chapters/{slug}.json", json_bytes({"title": title, "body": body}))
        for slug, title, body in _MANUAL[locale]
    ]
    _publish(world, "owner-manual", 1, locale, screen, [cover, *chapters], "2.9.0", ago(world, days=200))
    slug, title, body = _MANUAL[locale][0]
    addition = {"zh-CN": "低温时请先预热电池。", "en": " Warm the battery first when it is cold."}[locale]
    newer = json_bytes({"title": title, "body": body + addition})
    changed = asset(f"chapters/{slug}.json", newer, delta_between(chapters[0], newer))
    _publish(world, "owner-manual", 2, locale, screen, [cover, changed, *chapters[1:]], "2.9.0", ago(world, days=12))


def _boot_animation(world: World, locale: Language, screen: ScreenClass) -> None:
    width, height = _SIZES[screen]
    frames = [
        asset(f"frames/{number:02d}.png", png(width, height, (8 * number, 10 * number, 20 * number), (0, 0, 0)))
        for number in range(1, 9)
    ]
    timing = asset("timing.json", json_bytes({"frames": len(frames), "millisecondsPerFrame": 80}))
    _publish(world, "boot-animation", 1, locale, screen, [timing, *frames], "3.0.0", ago(world, days=75))


def _voice_pack(world: World, locale: Language, screen: ScreenClass) -> None:
    voice, name = _VOICES[locale]
    about = asset("voice.json", json_bytes({"id": voice, "name": name, "locale": locale}))
    cues = (("welcome", (440, 554, 659)), ("goodbye", (659, 554, 440)), ("turn", (880,)))
    prompts = [asset(f"prompts/{cue}.wav", wav(tones)) for cue, tones in cues]
    _publish(world, "voice-pack", 1, locale, screen, [about, *prompts], "3.1.0", ago(world, days=55))


def _festival(world: World, locale: Language, screen: ScreenClass) -> None:
    """A theme whose time is over: no client may take it any more."""
    width, height = _SIZES[screen]
    lantern = asset("wallpaper.png", png(width, height, (150, 24, 24), (240, 190, 90)))
    words = asset("greeting.json", json_bytes({"text": {"zh-CN": "中秋快乐", "en": "Happy Mid-Autumn"}[locale]}))
    published = ago(world, days=60)
    ended = published + timedelta(days=30)
    _publish(world, "festival-theme", 1, locale, screen, [lantern, words], "3.0.0", published, expires_at=ended)
