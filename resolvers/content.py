"""Content bundles: what a head unit or app is to show. Manifests here, bytes by plain HTTP."""

from __future__ import annotations

import re
from datetime import datetime

import strawberry

from bff.domain import content as domain
from bff.errors import InvalidInput, UpstreamContractBroken
from resolvers import loads
from resolvers.common import LONGEST_KEY, Request, field, prop, text_of
from resolvers.fields import load_one
from resolvers.rights import scopes

MOST_HELD = 64
LONGEST_TAG = 35
"""RFC 5646, section 4.4.1: the longest language tag that has to be taken."""
_SOFTWARE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){2}")


@strawberry.type(description="A patch that makes the new asset from an older one.")
class AssetDelta:
    from_sha256: str = prop("Hash of the asset that it starts from.")
    sha256: str = prop("Hash of the patch itself.")
    size: int = prop("Bytes of the patch.")
    url: str = prop("Where to fetch it.")


@strawberry.type(description="A file of a bundle.")
class ContentAsset:
    path: str = prop("Path within the bundle.")
    sha256: str = prop("SHA-256 of the bytes, lower-case hex. Check it before you use the file.")
    size: int = prop("Bytes.")
    mime: str = prop("Media type.")
    url: str = prop("Where to fetch it: immutable, with ETag and Range.")
    delta: AssetDelta | None = prop("A patch from an older version, where that is smaller.")


@strawberry.type(description="Signature of a manifest.")
class ContentSignature:
    alg: str = prop("Algorithm, for example `EdDSA`.")
    key_id: str = prop("Key, as in the content service's JWK set.")
    value: str = prop("Signature, base64url.")


@strawberry.type(
    description="A version of a bundle. Swap it in only after every hash passed; refuse expired or older ones."
)
class ContentBundle:
    id: strawberry.ID = prop("The bundle's name, for example `home-screen`.")
    version: int = prop("Version; it only ever grows.")
    locale: str = prop("Language, a BCP 47 tag.")
    screen_class: str = prop("Kind of screen that it was made for.")
    minimum_software: str | None = prop("Software that must run at least.")
    published_at: datetime = prop("When it was published.")
    expires_at: datetime | None = prop("Until when it may be shown; null for no end.")
    previous_version: int | None = prop("The version before, which deltas start from.")
    assets: list[ContentAsset] = prop("All files of this version.")
    removed: list[str] = prop("Paths of the version before that are gone.")
    signature: ContentSignature = prop("Signature over `signedPayload`.")
    signed_payload: str = prop("The canonical JSON that was signed, vehicle scope included. Verify this, then read it.")


@strawberry.type(description="What to fetch, what to drop, and when to ask again.")
class ContentSyncPlan:
    bundles: list[ContentBundle] = prop("Bundles that are newer than what is held.")
    withdrawn: list[str] = prop("Bundles to drop.")
    unchanged: list[str] = prop("Bundles that are up to date.")
    next_poll_after_seconds: int = prop(
        "Ask again after this many seconds; spread out, so that not all cars ask at once."
    )
    as_of: datetime = prop("When this was decided.")


@strawberry.input(description="A bundle that the client holds.")
class HeldBundleInput:
    id: strawberry.ID = strawberry.field(description="The bundle's name.")
    version: int = strawberry.field(description="Version held.")


@strawberry.input(description="What the client is and what it holds.")
class ContentSyncInput:
    screen_class: str = strawberry.field(description="Kind of screen: `head-unit-12`, `head-unit-8`, `phone`.")
    locale: str = strawberry.field(description="Language, a BCP 47 tag.", default="zh-CN")
    held: list[HeldBundleInput] = strawberry.field(description="Bundles held, with versions.", default_factory=list)
    software: str | None = strawberry.field(
        description="Software version of the car or app, three numbers: `3.2.1`.", default=None
    )
    brand: str | None = strawberry.field(description="Brand, for apps; a car's is known.", default=None)


@strawberry.type
class ContentQuery:
    @field(
        "What the content on this device should become. A head unit's car is known by its login.",
        returns=ContentSyncPlan | None,
        directives=[scopes("content:read", "content:sync")],
    )
    @staticmethod
    async def content_sync(info: Request, input: ContentSyncInput) -> domain.SyncPlan:
        plan = await load_one(info.context, loads.content_plans, _wanted(info, input))
        if plan is None:
            raise UpstreamContractBroken("content", detail="no plan came for a sync request")
        return plan


def _wanted(info: Request, input: ContentSyncInput) -> domain.SyncRequest:
    """Raises InvalidInput for what the content service would refuse: it refuses all that is asked for together."""
    if input.screen_class not in domain.SCREEN_CLASSES:
        known = ", ".join(domain.SCREEN_CLASSES)
        raise InvalidInput(f"screenClass is one of {known}.", field="input.screenClass")
    if len(input.held) > MOST_HELD:
        raise InvalidInput(f"At most {MOST_HELD} held bundles.", field="input.held")
    if input.software is not None and not _SOFTWARE.fullmatch(input.software):
        raise InvalidInput("software is three numbers, for example 3.2.1.", field="input.software")
    return domain.SyncRequest(
        screen_class=input.screen_class,
        locale=text_of(input.locale, "input.locale", most=LONGEST_TAG),
        held=tuple(
            domain.HeldBundle(id=text_of(bundle.id, "input.held.id", most=LONGEST_KEY), version=bundle.version)
            for bundle in input.held
        ),
        vin=info.context.caller.vin,
        software=input.software,
        brand=input.brand or info.context.brand,
    )
