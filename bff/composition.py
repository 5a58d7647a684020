"""The only place that constructs adapters and chooses between them.

Everything else names a port. Which system answers a port is read off here, in one screen: an adapter, or a pilot's
router over two of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from cryptography.x509 import load_pem_x509_certificates

from adapters.alipay.client import AlipayClient
from adapters.alipay.settings import read_alipay_settings
from adapters.booking.client import BookingAdapter
from adapters.commerce.cart import CommerceCarts
from adapters.commerce.catalogue import CommerceCatalogue
from adapters.commerce.settlements import CommerceSettlements
from adapters.commerce.vehicle_orders import CommerceVehicleOrders
from adapters.community.client import CommunityAdapter
from adapters.configurator.client import ConfiguratorClient
from adapters.content.client import ContentAdapter
from adapters.dms.service import DmsService
from adapters.dms.vehicles import DmsVehicles
from adapters.erp.client import ErpClient
from adapters.eventlog.client import EventLog, NoSink
from adapters.identity.client import IdentityAdapter
from adapters.leads.client import LeadClient
from adapters.mes.client import MesClient
from adapters.nats.client import NatsSink
from adapters.otd.client import OtdFeed
from adapters.payment.client import PaymentClient
from adapters.stripe.client import StripePayments
from adapters.stripe.settings import read_stripe_settings
from adapters.transport.bulkhead import Slots
from adapters.transport.cache import MemoryStore, Store
from adapters.transport.engines import engine_for
from adapters.transport.http import Engine
from adapters.transport.maintenance import Clock, utc_now
from adapters.transport.redis_backend import Link, RedisSlots, RedisStore, connect
from adapters.transport.slots import HostSlots
from adapters.transport.soap import server_failed as soap_server_failed
from adapters.transport.upstream import Audience, Operation, Upstream, UpstreamState, server_failed
from adapters.wechat.client import WechatAccess, WechatLogins
from adapters.wechatpay.client import WechatPay
from adapters.wechatpay.settings import read_wechatpay_settings
from bff.access.devices import Devices
from bff.access.keys import Discovery, Keys
from bff.access.tokens import TokenVerifier
from bff.domain.cloud_events import EventSink
from bff.domain.payment import PaymentPort
from bff.domain.providers import ProviderPort
from bff.domain.service import BookingOrigin
from bff.durability.open import open_database
from bff.errors import UpstreamContractBroken
from bff.events.polled import PolledSource
from bff.events.sources import booking_events, order_events, poller_context
from bff.ordering import Ordering
from bff.pilots.plan import PilotPlan, PlanHolder
from bff.pilots.service_router import ServiceRouter
from bff.ports import Ports
from bff.settings import Settings, SettingsError, UpstreamAddress
from bff.windows import parse_windows

FETCH_KEYS = Operation(name="GetKeys", audience=Audience.PUBLIC)

MakeEngine = Callable[[UpstreamAddress], Engine]


def default_engine(address: UpstreamAddress, processes: int = 1) -> Engine:
    """The engine of one of so many processes that ask the same system."""
    policy = address.policy
    return engine_for(connections=policy.connections or 100, keeps=processes == 1 or not policy.counts_idle)


class Services:
    """The service's parts, wired: ports for resolvers, the verifier of tokens, and what must be closed at the end."""

    def __init__(self, settings: Settings, *, engine: MakeEngine | None = None, clock: Clock = utc_now) -> None:
        """`clock` decides about maintenance windows, and is the time that orders live by.

        Raises SettingsError where a payment provider's settings are wrong.
        """
        self.settings = settings
        link = None if settings.redis_url is None else Link(connect(settings.redis_url))
        self.store: Store = MemoryStore(settings.cache_bytes) if link is None else RedisStore(link)
        self._link = link
        self.state = open_database(settings.state_url)
        self.ordering = Ordering(
            self.state, clock=clock, ports=lambda: self.ports, retention_days=settings.flow_retention_days
        )
        self._clock = clock
        processes = settings.workers * settings.hosts
        make = engine or partial(default_engine, processes=processes)
        self.upstreams = {
            name: self._upstream(address, make(address), clock) for name, address in settings.upstreams.items()
        }
        self.plan = PlanHolder(PilotPlan.parse(settings.pilots))
        self.content = ContentAdapter(self.upstreams["content"], public_base_url=settings.public_url + "/content")
        self.sources: list[PolledSource[Any, Any]] = []
        self._closed = False
        self._issuers: dict[str, Upstream] = {}
        self.ports = self._ports()
        self.verifier = self._verifier()

    def _ports(self) -> Ports:
        upstream = self.upstreams
        booking = BookingAdapter(upstream["booking"])
        configurator = ConfiguratorClient(upstream["configurator"])
        progress = OtdFeed(upstream["otd"])
        dms = DmsService(upstream["dms"])
        systems = ServiceRouter(self.plan, dms=dms, booking=booking)
        service = self.ordering.service(systems, {BookingOrigin.DMS: dms.booked})
        context = poller_context(lambda: self.ports)
        customers = IdentityAdapter(upstream["identity"])
        catalogue, sales_orders = CommerceCatalogue(upstream["commerce"]), ErpClient(upstream["erp"])
        self.ordering.publish(self._sink(), customers, self.settings.events)
        orders, bookings = order_events(progress, context), booking_events(service, context)
        self.sources = [orders, bookings]
        return Ports(
            customers=customers,
            vehicles=DmsVehicles(upstream["dms"]),
            connected=self.content,
            configurator=configurator,
            catalogue=catalogue,
            commerce=self.ordering.commerce(CommerceCarts(upstream["commerce"]), catalogue),
            vehicle_orders=self.ordering.vehicle_orders(CommerceVehicleOrders(upstream["commerce"]), sales_orders),
            sales_orders=sales_orders,
            production=MesClient(upstream["mes"]),
            progress=progress,
            order_events=orders,
            payments=self._payments(customers),
            service=service,
            booking_events=bookings,
            centres=booking,
            content=self.content,
            community=CommunityAdapter(upstream["community"]),
            leads=LeadClient(upstream["leads"]),
            logins=self._logins(),
        )

    def _sink(self) -> EventSink:
        events = self.settings.events
        if events.nats is not None:
            return NatsSink(*events.nats)
        return NoSink() if events.file is None else EventLog(events.file)

    def _payments(self, customers: IdentityAdapter) -> PaymentPort:
        wechat = self.settings.logins.wechat

        async def payer(customer_id: str) -> str | None:
            return None if wechat is None else await customers.payer(customer_id, wechat.app_id)

        return self.ordering.payments(
            PaymentClient(self.upstreams["payment"]),
            self._providers(),
            CommerceSettlements(self.upstreams["commerce"]),
            payer,
        )

    def _providers(self) -> dict[str, ProviderPort]:
        """Payment providers that settings say who we are to, by the last part of their notifications' address."""
        settings, upstream, problems = self.settings, self.upstreams, list[str]()
        found: dict[str, ProviderPort] = {}
        if not settings.takes_payments:
            return found
        said, production, url = settings.providers, not settings.development, settings.public_url
        wechatpay = read_wechatpay_settings(said, production=production, public_url=url, problems=problems)
        if wechatpay is not None:
            found["wechatpay"] = WechatPay(upstream["wechatpay"], wechatpay, self._clock)
        alipay = read_alipay_settings(said, production=production, public_url=url, problems=problems)
        if alipay is not None:
            found["alipay"] = AlipayClient(upstream["alipay"], alipay, clock=self._clock)
        stripe = read_stripe_settings(said, production=production, public_url=url, problems=problems)
        if stripe is not None:
            found["stripe"] = StripePayments(upstream["stripe"], stripe, self._clock)
        if problems:
            raise SettingsError(problems)
        return found

    def _upstream(self, address: UpstreamAddress, engine: Engine, clock: Clock) -> Upstream:
        """Limits are kept exactly for systems that say so; of all others each worker has its share."""
        settings, policy = self.settings, address.policy
        processes = settings.workers * settings.hosts
        slots = self._slots(address, processes) if policy.shared else None
        return Upstream(
            address.name,
            address.url,
            engine,
            policy=policy,
            simulated=address.simulated,
            windows=parse_windows(address.windows),
            clock=clock,
            store=self.store,
            slots=slots,
            share=1 if isinstance(slots, RedisSlots) else processes,
            failed=soap_server_failed if address.name == "dms" else server_failed,
        )

    def _slots(self, address: UpstreamAddress, processes: int) -> Slots | None:
        """Places that all processes share: in Redis where there is one, else by locks of this host."""
        settings, policy = self.settings, address.policy
        if policy.connections is None:
            return None
        if self._link is not None:
            return RedisSlots(
                self._link,
                address.name,
                address.url,
                policy.connections,
                share=policy.connections // processes,
                lease=policy.timeout,
                per_second=policy.per_second,
            )
        if settings.development:
            return None
        folder = None if settings.run_dir is None else Path(settings.run_dir)
        return HostSlots(address.name, address.url, max(1, policy.connections // settings.hosts), folder)

    async def purge(self, tag: str) -> int:
        """Forget the kept answers that carry a tag; how many those were."""
        return await self.store.purge(tag)

    @property
    def states(self) -> dict[str, UpstreamState]:
        """What operators see of the upstreams."""
        return {name: upstream.state for name, upstream in self.upstreams.items()}

    def _verifier(self) -> TokenVerifier:
        logins = self.settings.logins
        authorities = load_pem_x509_certificates(logins.device_authorities) if logins.device_authorities else ()
        return TokenVerifier(
            Keys(self._fetch_keys),
            issuer=logins.issuer,
            audience=logins.audience,
            untyped=logins.untyped,
            bound_devices=logins.bound_devices,
            devices=Devices(authorities),
        )

    def _logins(self) -> WechatLogins | None:
        wechat = self.settings.logins.wechat
        if wechat is None:
            return None
        session, token = self._at("wechat", wechat.session_url), self._at("oidc", wechat.token_url)
        access = WechatAccess(
            session_path=wechat.session_url.removeprefix(session.base_url),
            token_path=wechat.token_url.removeprefix(token.base_url),
            app_id=wechat.app_id,
            app_secret=wechat.app_secret,
            client_id=wechat.client_id,
            client_secret=wechat.client_secret,
        )
        return WechatLogins(session, token, access)

    async def _fetch_keys(self) -> bytes:
        """The JWK set: where settings say, or else where the issuer's own metadata does."""
        logins = self.settings.logins
        if logins.jwks_url is not None:
            return await self._ask_issuer(logins.jwks_url)
        return await Discovery(logins.issuer, self._ask_issuer).fetch_keys()

    async def _ask_issuer(self, url: str) -> bytes:
        upstream = self._at("oidc", url)
        reply = await upstream.call(FETCH_KEYS, "GET", url.removeprefix(upstream.base_url))
        if reply.status != 200:
            raise UpstreamContractBroken(upstream.name, detail=f"the issuer answered {reply.status}")
        return reply.body

    def _at(self, name: str, url: str) -> Upstream:
        """The upstream of an address of logins: the identity service, or another host, each kept once."""
        identity = self.upstreams["identity"]
        if url.startswith(identity.base_url + "/"):
            return identity
        scheme, _, rest = url.partition("://")
        origin = f"{scheme}://{rest.partition('/')[0]}"
        if origin not in self._issuers:
            address = msgspec.structs.replace(self.settings.upstreams["identity"], url=origin, simulated=False)
            self._issuers[origin] = Upstream(name, origin, default_engine(address), timeout=3.0)
        return self._issuers[origin]

    async def aclose(self) -> None:
        """Safe to call again: a server's lifespan and whoever made the services may both end them."""
        if self._closed:
            return
        self._closed = True
        await asyncio.gather(*[source.aclose() for source in self.sources])
        await self.ordering.aclose()
        upstreams = [*self.upstreams.values(), *self._issuers.values()]
        await asyncio.gather(*[upstream.aclose() for upstream in upstreams])
        await self.store.aclose()
        await self.state.aclose()
