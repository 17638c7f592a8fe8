"""The configuration: one typed tree, validated on load, every error with its file, line and field."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from enforcer.config_fields import (
    Address,
    Country,
    Grace,
    HostName,
    Integer,
    Interface,
    Listen,
    MobileNetwork,
    Network,
    Seconds,
    TimeZone,
)
from enforcer.fingerprints.detection import Family


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_sections(cls, data: Any) -> Any:
        # A section with every line of it commented out is null in YAML, and means its defaults.
        if not isinstance(data, dict):
            return data
        sections = {name for name, field in cls.model_fields.items() if isinstance(field.default, _Section)}
        return {name: value for name, value in data.items() if value is not None or name not in sections}


class Subscribers(_Section):
    """Which side of a flow is the subscriber's: by interface, by prefix, or both."""

    interfaces: tuple[Interface, ...] = Field(
        (), description="Interfaces of the gateway that face subscribers; * at the end matches many (ppp*)."
    )
    prefixes: tuple[Network, ...] = Field((), description="Prefixes subscribers' addresses are taken from.")


class Line(_Section):
    """A class of line for which a registration route exists."""

    name: str = Field(min_length=1, max_length=40, description="A short name for reports and metrics.")
    kind: Literal["static", "mobile"] = Field(
        alias="class",
        description="static: the holder registers addresses. mobile: the holder registers a mobile number.",
    )
    prefixes: tuple[Network, ...] = Field((), description="Prefixes of this class of line.")
    nas: tuple[str, ...] = Field((), description="Access servers whose sessions are of this class (mobile).")

    @model_validator(mode="after")
    def _some_address(self) -> Line:
        if self.name in ("-", "*"):
            raise ValueError("name: - stands for no line and * for all of them in reports; choose another")
        if not self.prefixes and not self.nas:
            raise ValueError("a line needs prefixes, or nas when its class is mobile")
        for prefix in self.prefixes:
            if prefix.prefixlen == 0:
                raise ValueError(f"{prefix} is every address there is; name those of this class of line")
        if self.nas and self.kind == "static":
            raise ValueError("nas belongs to lines of class mobile: static lines are named by prefixes")
        return self


class RegistryConfig(_Section):
    """The list of registrations."""

    files: tuple[Path, ...] = Field((), description="CSV or YAML files; all together are the list.")
    timezone: TimeZone = Field("UTC", description="Time zone of bare dates in the list.")
    grace: Grace = Field(
        30 * 86400,
        description="How long an expired or vanished registration still counts. At least 30d.",
    )
    max_age: Seconds = Field(
        7 * 86400,
        gt=0,
        description="The list counts as fresh while its oldest file was written less than this ago.",
    )
    max_shrink: Integer = Field(
        20,
        ge=1,
        le=100,
        description="A reload that loses more than this share of the entries, in percent, is refused.",
    )
    memory: Path | None = Field(
        None,
        description="File that remembers entries, so that one that vanishes from the list gets its grace "
        "period across restarts. Usually /var/lib/enforcer/registry.json.",
    )


class NumbersConfig(_Section):
    """How mobile numbers are read and tagged."""

    region: Country = Field("PK", description="Country whose national number format is understood.")
    key_file: Path | None = Field(
        None, description="Secret file of at least 32 random bytes; numbers are tagged with it."
    )
    former_key_files: tuple[Path, ...] = Field(
        (), description="Keys in use before: sessions tagged with them are still recognised."
    )


class SessionsConfig(_Section):
    """Which subscriber holds which address."""

    file: Path | None = Field(None, description="CSV file of sessions, for a gateway without live accounting.")
    ttl: Seconds = Field(2 * 3600, gt=0, description="A session not heard of for this long identifies nobody.")
    capacity: Integer = Field(
        2_000_000, ge=1000, description="Sessions remembered; beyond, the one not heard of longest goes."
    )
    snapshot: Path | None = Field(
        None,
        description="File that keeps the sessions of registered holders over a restart. "
        "Usually /var/lib/enforcer/sessions.sqlite.",
    )
    store: str | None = Field(
        None, description="redis:// or rediss:// of a store that many gateways share; null for none."
    )
    store_password_file: Path | None = Field(None, description="Secret file with the store's password.")
    store_ca_file: Path | None = Field(None, description="Certificate of the store's authority (rediss).")


class RadiusClient(_Section):
    """An access server, or several that share a secret, whose accounting is believed."""

    name: str = Field(min_length=1, max_length=40, description="A short name for logs and metrics.")
    addresses: tuple[Network, ...] = Field(min_length=1, description="Addresses or prefixes it sends from.")
    secret_file: Path = Field(description="Secret file with the shared secret.")


class RadiusConfig(_Section):
    """Accounting in, from the access servers (RFC 2866)."""

    listen: tuple[Listen, ...] = Field(
        ("0.0.0.0:1813", "[::]:1813"), description="address:port to receive accounting on (UDP)."
    )
    clients: tuple[RadiusClient, ...] = Field(
        (), description="Who may send; nothing is received while this is empty."
    )
    number_attribute: Literal["Calling-Station-Id", "User-Name"] = Field(
        "Calling-Station-Id", description="The attribute that carries the subscriber's number."
    )


class WifiCalling(_Section):
    """Where phones' Wi-Fi calling goes (ePDG, N3IWF), emergency calls included."""

    networks: tuple[MobileNetwork, ...] = Field(
        (), description='Mobile networks as "MCC-MNC"; their ePDG and N3IWF names are derived and resolved.'
    )
    names: tuple[HostName, ...] = Field((), description="Further ePDG and N3IWF host names.")
    prefixes: tuple[Network, ...] = Field((), description="Prefixes of the networks' ePDGs and N3IWFs.")


class ExemptConfig(_Section):
    """Destinations that are never decided on."""

    prefixes: tuple[Network, ...] = Field((), description="Prefixes left alone, at either end of a flow.")
    names: tuple[HostName, ...] = Field((), description="Host names left alone; resolved and refreshed.")
    wifi_calling: WifiCalling = Field(WifiCalling(), description="Wi-Fi calling; needed to enforce ipsec.")
    resolvers: tuple[Address, ...] = Field((), description="DNS servers' addresses; the system's when empty.")
    memory: Path | None = Field(
        None,
        description="File that keeps what names resolved to over a restart. "
        "Usually /var/lib/enforcer/exempt.json.",
    )


class GatewayConfig(_Section):
    """The kernel's side: queue, marks, rejection."""

    queue: Integer = Field(4700, ge=0, le=65535, description="Number of the (first) NFQUEUE.")
    queues: Integer = Field(1, ge=1, le=16, description="How many queues; the kernel fans flows out over them.")
    queue_length: Integer = Field(4096, ge=1, le=1 << 20, description="Packets one queue holds before fail-open.")
    mark_mask: Integer = Field(
        0x0F000000,
        description="Bits of the packet mark that are ours, at least 3 in a row; all others survive.",
    )
    reject: Literal["polite", "drop"] = Field(
        "polite", description="polite: ICMP admin-prohibited or TCP reset. drop: silence."
    )
    remember_rejected: Seconds = Field(
        60,
        ge=1,
        le=600,
        description="How long the kernel rejects the same 5-tuple's handshakes by itself. At most 10m: for "
        "so long a refusal can be explained.",
    )
    rejected_size: Integer = Field(
        65536, ge=1024, le=1 << 22, description="5-tuples remembered, for each family and for IPv4 and IPv6 each."
    )

    @model_validator(mode="after")
    def _three_bits(self) -> GatewayConfig:
        shift = (self.mark_mask & -self.mark_mask).bit_length() - 1
        if not 0 < self.mark_mask < 1 << 32 or (self.mark_mask >> shift) & 0b111 != 0b111:
            raise ValueError("mark_mask: expected at least 3 bits in a row within 32, for example 0x0f000000")
        if self.queue + self.queues > 65536:
            raise ValueError("queues: queue + queues must stay below 65536")
        return self


class MetricsConfig(_Section):
    """The /metrics endpoint."""

    listen: Listen | None = Field(
        "127.0.0.1:9469", description="address:port of the metrics endpoint; null for none."
    )


class ControlConfig(_Section):
    """The socket behind `enforcer status`, `explain` and `reload`."""

    socket: Path | None = Field(None, description="Its path; usually /run/enforcer/control.sock. null: none.")
    group: str | None = Field(None, description="A group that may ask besides root.")


class AuditConfig(_Section):
    """Who asked what, and what every reload changed."""

    file: Path | None = Field(
        None, description="JSON lines, for its owner only; usually /var/log/enforcer/audit.jsonl. null: none."
    )


class HelpConfig(_Section):
    """What `enforcer explain` says to people besides why."""

    contact: str | None = Field(
        None,
        min_length=1,
        max_length=300,
        description="Whom a person asks about registering: an office, a telephone number, a web page. Read "
        "out with every refusal.",
    )


class ShadowConfig(_Section):
    """Totals of what enforcing would do, and the time they are taken before anything is enforced."""

    file: Path | None = Field(
        None,
        description="Where totals are kept for `enforcer report`; usually /var/lib/enforcer/shadow.sqlite. "
        "null: none, and nothing is enforced unless period is 0s.",
    )
    period: Seconds = Field(
        7 * 86400,
        ge=0,
        description="How long a family is watched, with a list loaded, before it is refused. 0s: not at all.",
    )
    retention: Seconds = Field(
        90 * 86400,
        description="How long totals are kept; longer than period, for the period is counted from them.",
    )

    @model_validator(mode="after")
    def _kept_longer(self) -> ShadowConfig:
        if self.retention <= self.period:
            raise ValueError("retention: expected longer than shadow.period, for the period is counted from it")
        return self


class Config(_Section):
    """The whole configuration."""

    mode: Literal["monitor", "enforce"] = Field(
        "monitor",
        description="monitor: decide, count, report, touch nothing. enforce: refuse, for the families named.",
    )
    enforce: tuple[Family, ...] = Field(
        (), description="Families refused in mode enforce: wireguard, openvpn, ipsec."
    )
    subscribers: Subscribers = Field(Subscribers(), description="The subscriber's side of a flow.")
    lines: tuple[Line, ...] = Field((), description="Classes of line with a registration route.")
    registry: RegistryConfig = Field(RegistryConfig(), description="The list of registrations.")
    numbers: NumbersConfig = Field(NumbersConfig(), description="Mobile numbers.")
    sessions: SessionsConfig = Field(SessionsConfig(), description="Who holds which address.")
    radius: RadiusConfig = Field(RadiusConfig(), description="Accounting from the access servers.")
    exempt: ExemptConfig = Field(ExemptConfig(), description="Destinations left alone.")
    gateway: GatewayConfig = Field(GatewayConfig(), description="The kernel's side.")
    metrics: MetricsConfig = Field(MetricsConfig(), description="Prometheus endpoint.")
    control: ControlConfig = Field(ControlConfig(), description="Questions to the running daemon.")
    audit: AuditConfig = Field(AuditConfig(), description="Who asked what.")
    shadow: ShadowConfig = Field(ShadowConfig(), description="The shadow report.")
    help: HelpConfig = Field(HelpConfig(), description="What the help desk reads out.")

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        names = [line.name for line in self.lines]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"lines: two lines are named {name!r}")
        # On a static line no mapping is waited for: a mobile holder whose mapping is lost would be refused there.
        owners: dict[Network, str] = {}
        for line in self.lines:
            for prefix in line.prefixes:
                if owners.setdefault(prefix, line.name) != line.name:
                    raise ValueError(
                        f"lines: {prefix} stands in {owners[prefix]!r} and in {line.name!r}; keep it in one"
                    )
        if self.sessions.file is not None and (self.radius.clients or self.sessions.store is not None):
            raise ValueError(
                "sessions: file is for gateways without radius.clients and sessions.store; choose one"
            )
        if self.radius.clients and self.numbers.key_file is None:
            raise ValueError("radius: clients need numbers.key_file: numbers are tagged as they arrive")
        return self
