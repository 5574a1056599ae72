"""The keys of the configuration as models: those of the core here, those of a network with its kind's factory.

The models check forms; what one key means for another is checked when everything is put together
(`bridge.config.assemble`). Field descriptions are the text of the reference page.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    create_model,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bridge.config.values import Duration, Listen, ListenOn, PublicUrl, StoreUrl
from bridge.contract import Factory
from bridge.model.room import Direction
from bridge.names import Kind
from bridge.rules import DM_PER_HOUR

PREFIX = "RIALTO_"
DELIMITER = "__"

FEDERATED = frozenset({Kind.XMPP, Kind.MATRIX})
"""The kinds whose people have a domain, so that one network of the kind owns the bare domains (design section 5)."""

NOT_YET: Mapping[tuple[str, ...], str] = {
    ("networks", "*", "default"): "only networks of the kinds matrix and xmpp own bare domains; leave the key out",
}
"""Keys that are known, but would do nothing where they stand; ``*`` is any name."""


class Strict(BaseModel):
    """A mapping with known keys only."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _token(value: SecretStr) -> SecretStr:
    """A token goes into an HTTP header (RFC 6750 section 2.1: no spaces, ASCII)."""
    text = value.get_secret_value()
    if len(text) < 8 or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("write 8 or more ASCII characters without spaces; openssl rand -hex 32 makes good ones")
    return value


class Http(Strict):
    """The HTTP server: Matrix pushes, the API that `rialto status` asks, the metrics, and what programs may ask for
    people (docs/http.md)."""

    listen: ListenOn = Field(
        default=Listen("127.0.0.1", 29330),
        description="Where Rialto listens. The homeserver must be able to reach it, and nobody else needs to.",
    )
    public_listen: ListenOn | None = Field(
        default=None,
        description="Where Rialto listens besides, for people's programs: only `/presence` and `/im` are there. It has "
        "no TLS: put a proxy before it.",
    )
    public_url: PublicUrl | None = Field(
        default=None,
        description="What the world calls this server, for links to files. Nothing uses it yet.",
    )
    admin_token: Annotated[SecretStr, AfterValidator(_token)] | None = Field(
        default=None,
        description="Opens the API, which `rialto status` needs. Without it the API is closed to all.",
    )


class PeopleSection(Strict):
    """What holds for people who have no rule of their own that matches: see docs/rules.md."""

    of: str = Field(description="Whom this is decided for: a pattern.")
    who: str = Field(
        description="About whom: a pattern, or `anonymous` for whoever does not say who they are (`access` only)."
    )
    access: Literal["allow", "confirm", "polite-block", "block"] | None = Field(
        default=None,
        description="Whether `who` sees the presence of `of`. `confirm` has `of` asked; `polite-block` looks like "
        "somebody offline.",
    )
    delivery: Literal["allow", "block"] | None = Field(
        default=None, description="Whether `who` may write to `of` in private."
    )
    visibility: Literal["allow", "block"] | None = Field(
        default=None, description="Whether `who` may know that `of` watches them."
    )


class RulesSection(Strict):
    """Who may use the bridge: patterns over people, where `*` stands for any text."""

    use: list[str] | None = Field(
        default=None,
        description="Only these people may use the bridge. Without it, everybody in the configured rooms may, and the "
        "people of the attached servers' own domains and of the attached IRC networks.",
    )
    deny: list[str] = Field(
        default=[],
        description="These people are never bridged, and nobody can write to them; goes before `use`.",
    )
    dm: list[str] | None = Field(
        default=None,
        description="Of those who may use the bridge, only these may start private conversations. Whoever was written "
        "to may answer. Without it, all may.",
    )
    dm_per_hour: int = Field(
        default=DM_PER_HOUR,
        ge=0,
        le=100_000,
        description="How many private conversations one person may start within an hour.",
    )
    bots: list[str] = Field(
        default=[],
        description="Other bridges and bots: nothing of what they say is bridged, so that no message goes in circles.",
    )
    people: list[PeopleSection] = Field(
        default=[],
        description="What you decide for people, where they have decided nothing themselves by a word to the bot. Of "
        "several that match, the most generous holds.",
    )


class ArchiveSection(Strict):
    """What is kept of what was said, for `rialto export`. Without `keep`, nothing is."""

    keep: Duration | None = Field(
        default=None,
        description="How long what was said is kept. Whoever asks the bot not to be kept is not (`archive off`).",
    )
    omit: list[str] = Field(default=[], description="Rooms of which nothing is kept, by name.")
    private: bool = Field(default=False, description="Whether what people say to each other in private is kept, too.")


class Log(Strict):
    """What Rialto writes to standard error. Message bodies and secrets are never logged."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important entries to write."
    )
    format: Literal["console", "json"] = Field(
        default="console", description="Lines for people, or one JSON object a line for a log collector."
    )


def _as_entries(value: Any) -> Any:
    """A place is a string, a mapping, or a list of these; make it a list of mappings."""
    items = value if isinstance(value, list) else [value]
    return [{"id": item} if isinstance(item, str) else item for item in items]


class PlaceSection(Strict):
    """One place of a room. Where only `id` is needed, write the id alone instead of the mapping."""

    id: str = Field(
        min_length=1,
        description="What the network calls the room: a MUC's JID, a Matrix alias or room id, an IRC channel.",
    )
    key: SecretStr | None = Field(default=None, description="The password or channel key, where the place has one.")
    members: bool = Field(
        default=True,
        description="Whether people of the other places appear as members here. If not, the bot speaks for them.",
    )
    direction: Direction = Field(
        default=Direction.BOTH,
        description="What may cross: `both` ways, only `in` to this place, or only `out` of it.",
    )


Places = Annotated[list[PlaceSection], BeforeValidator(_as_entries), Field(min_length=1)]
RoomName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]


class Base(BaseSettings):
    """The top of the file, without the networks: their keys depend on their kinds."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=False,
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        env_ignore_empty=True,
    )

    store: StoreUrl = Field(
        default="sqlite:///rialto.db",
        description="Where all that must outlive a restart is kept: a file of SQLite's, or a database of PostgreSQL's "
        "(`postgresql://user@host/rialto`). A relative path starts at the file's folder.",
    )
    http: Http = Http()
    rooms: dict[RoomName, dict[str, Places]] = Field(
        default={},
        description="Rooms by name: for each network the place, or places, that are bridged into one conversation.",
    )
    rules: RulesSection = RulesSection()
    admins: list[str] = Field(
        default=[],
        description="Who is told, in private, what an operator must know, for example that messages go in circles: "
        "`bo@example.org`, `@ana:example.org` or `NETWORK:NICK`.",
    )
    keep_bodies: Duration = Field(
        default=3_600,
        description="How long message texts are kept after everybody has them, or will not get them.",
    )
    keep_map: Duration = Field(
        default=7_776_000,
        description="How long is known which message is which on every network.",
    )
    archive: ArchiveSection = ArchiveSection()
    keeper: bool = Field(
        default=True,
        description="Whether a small process beside Rialto holds the connections to IRC and XMPP servers, so that "
        "nobody leaves and nothing is lost there when Rialto crashes or is upgraded (docs/keeper.md).",
    )
    log: Log = Log()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed over: file and environment are read and merged before (`bridge.config.sources`)."""
        return (init_settings,)


class AnyNetwork(Strict):
    """The keys that every network has."""

    kind: str = Field(description="What the network speaks: one of the installed kinds.")


class FederatedNetwork(AnyNetwork):
    """The keys that every network of a federated kind has."""

    default: bool = Field(
        default=False,
        description="Whether this network, of those of its kind, owns bare domains: its people's names elsewhere go "
        "without its own name. Without it, the first one in the file does. Changing it would change names, so start "
        "refuses to.",
    )


def network_model(factory: Factory) -> type[BaseModel]:
    """The keys of a network of that kind: the factory's, and those of every network."""
    common = FederatedNetwork if factory.kind in FEDERATED else AnyNetwork
    # The last base's configuration wins: unknown keys are refused whatever the factory's model says.
    return create_model(
        f"{factory.kind}_network", __base__=(factory.settings, common), __doc__=factory.settings.__doc__
    )


def settings_model(networks: Mapping[str, type[BaseModel]]) -> type[Base]:
    """The whole file, for these networks."""
    # A network may be called like an attribute of a model (``copy``): its field is not.
    fields: Any = {f"network_{name}": (model, Field(alias=name)) for name, model in networks.items()}
    section = create_model("Networks", __base__=Strict, **fields)
    return create_model("Settings", __base__=Base, networks=(section, Field(description="Networks by name.")))
