"""Words that every part of the world uses: bilingual text, brands, regions, languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["zh-CN", "en"]
RegionCode = Literal["EAST", "SOUTH", "NORTH", "WEST"]
BrandCode = Literal["ASTER", "VELA"]
Market = Literal["CN", "HK", "SG"]
Channel = Literal["APP", "MINI_PROGRAM", "WEB", "STORE", "IN_CAR"]


@dataclass(frozen=True, slots=True)
class Text:
    """The same copy in Chinese and English."""

    zh: str
    en: str

    def of(self, language: str) -> str:
        """The copy for a BCP 47 tag: Chinese for ``zh*``, English for everything else."""
        return self.zh if language.lower().startswith("zh") else self.en


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address in China, smallest part last."""

    recipient: str
    phone: str
    province: str
    city: str
    district: str
    line: str
    postcode: str
