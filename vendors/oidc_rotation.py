"""How a Keycloak client's secret is rotated: the new one stands beside the old one first, then the two change places.

Keycloak accepts two secrets of a client while a client policy with the executor secret-rotation applies to it. Its own way,
POST .../client-secret, makes the new one the first at once, before anybody has it, for as long as the policy says, and loses it with the answer.
So the second place is used as it stands: the new secret, which we choose, goes there and is proven there; only after every sink
has it the two are swapped, in one update; and what retires is always in the second place, from which Keycloak deletes it.
An update while no policy applies drops what stands in the second place: it is tried with the new secret, never with one in use.
Source: https://www.keycloak.org/docs/latest/server_admin/#_secret_rotation,
services/src/main/java/org/keycloak/services/clientpolicy/executor/ClientSecretRotationExecutor.java,
services/src/main/java/org/keycloak/authentication/authenticators/client/ClientIdAndSecretAuthenticator.java of keycloak/keycloak
"""

import secrets
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from domain.errors import BadInput, OpsError, OutcomeUnknown
from domain.manifests import Fit, ListedCredential, Manifest, Mint, Minted, Page
from domain.names import Purpose
from vendors.capabilities import Client, Probe
from vendors.http import Conduct, Wire
from vendors.oidc import PUBLISHED_HOSTS, connect
from vendors.oidc import SIGNATURES as CLIENT_SIGNATURES
from vendors.oidc_admin import (
    ENDS_AT,
    MADE_AT,
    NO_SECOND,
    SEALED,
    SECOND,
    SECOND_ENDS_AT,
    SECOND_LIFE,
    SECOND_MADE_AT,
    RealmAdmin,
    RegisteredClient,
    Secret,
    Session,
    is_in_vault,
    told,
)
from vendors.oidc_admin import SIGNATURES as ADMIN_SIGNATURES
from vendors.rate_limits import Limit
from vendors.rotation import ByHand, HeldOpen, Rotation

SIGNATURES = ADMIN_SIGNATURES

# A first and a second one.
SLOTS = 2
# The policy's own default for a secret is 29 days (30 in older versions), after which Keycloak refuses both.
USUAL_AGE = timedelta(days=20)
_RANDOM_BYTES = 48  # as text 64 characters, enough for a client that signs with its secret (HS512)


@dataclass(frozen=True, slots=True)
class ClientSecrets:
    """The two secrets of one client. Each is named by the second in which it was made, which stays with it when they are swapped.

    Every method first gets a token and reads the client, whose uuid it needs, and whose other fields an update has to repeat.
    """

    admin: RealmAdmin

    def list_credentials(self, cursor: str) -> Page:
        """Return the first secret, and the second while Keycloak accepts it; there is one page."""
        del cursor
        return Page(_listed(self.admin.signed_in().read_client()), slots=SLOTS)

    def create(self, marker: str, value: str) -> Minted:
        """Put the value beside the first secret, and see that Keycloak kept it there.

        By two requests more than a creation needs: the second place must be free, since what stands there would be lost,
        and only a look afterwards shows whether a policy applies. An ended first secret serves nobody, so its place is taken.

        Raises:
            Rejected: no policy applies, the second place is taken, or the secret is kept in a vault.
        """
        del marker  # there is no field for it; a secret of ours is found by its value
        session = self.admin.signed_in()
        client = session.read_client()
        there = _place_of(client, value)
        if there is not None:
            return Minted(_id(there, client), value)
        if is_in_vault(client.first):
            raise told("oidc.secret_in_vault", client.name)
        if client.second is not None and not client.has_ended:
            raise told("oidc.second_secret_stands", client.name)
        made = Secret(value, _next_moment(client), 0)
        session.put_client(
            "add_secret", client, _in_first(client, made) if client.has_ended else _in_second(client, made)
        )
        there = _place_of(_seen(session), value)
        if there is None:
            raise told("oidc.no_policy", client.name)
        return Minted(_id(there, client), value)

    def disable(self, vendor_id: str) -> None:
        del vendor_id
        raise told("oidc.no_switch", self.admin.client_id)

    def enable(self, vendor_id: str) -> None:
        del vendor_id
        raise told("oidc.no_switch", self.admin.client_id)

    def revoke(self, vendor_id: str) -> None:
        """End this secret; one that is not there is done.

        The second one is deleted. The first one cannot be: the second takes its place, and where there is none a secret that
        nobody knows, so that an exposed one can go before there is another.
        """
        session = self.admin.signed_in()
        client = session.read_client()
        second = client.second
        if second is not None and _id(second, client) == vendor_id:
            session.delete_second_secret(client)
        elif _id(client.first, client) == vendor_id:
            session.put_client("end_secret", client, _in_first(client, second) if second else _sealed(client))

    def held_open(self, vendor_id: str, cursor: str) -> HeldOpen:
        """Return nothing: a token that was given lives on without the secret."""
        del vendor_id, cursor
        return HeldOpen()

    def close(self) -> None:
        self.admin.wire.close()


@dataclass(frozen=True, slots=True)
class FirstSecret:
    """Which of the two secrets is the first: the one that the console shows, that downloads hold, and that is not about to end."""

    admin: RealmAdmin

    def point_to(self, value: str) -> None:
        """Let the two change places, in one update; where the value is the first already, that is done.

        Raises:
            Rejected: the value is not at Keycloak, or the other one was lost over it.
        """
        session = self.admin.signed_in()
        client = session.read_client()
        second = client.second
        if client.first.holds(value):
            return
        if second is None or not second.holds(value):
            raise told("oidc.second_secret_gone", client.name)
        session.put_client("point_to_secret", client, _in_first(client, second, beside=client.first))
        if _overlaps(client) and _place_of(_seen(session), client.first.value) is None:
            raise told("oidc.overlap_lost", client.name)

    def points_to(self, value: str) -> bool:
        return self.admin.signed_in().read_client().first.holds(value)

    def close(self) -> None:
        self.admin.wire.close()


def connect_secrets(values: Mapping[str, str], address: str | None, conduct: Conduct) -> ClientSecrets:
    """Return the rotator of the client's secrets.

    Raises:
        BadInput: the admin client or its secret is missing, or the host is not allowed here.
    """
    return ClientSecrets(_admin(values, address, conduct))


def point(values: Mapping[str, str], address: str | None, conduct: Conduct) -> FirstSecret:
    """Return what says which of the client's secrets is the first. Raises what `connect_secrets` does."""
    return FirstSecret(_admin(values, address, conduct))


def check_secret(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where the token endpoint accepts the client's secret, the first as well as the second."""
    with closing(connect(values, address, conduct)) as client:
        client.check_secret()


def check_admin_secret(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where the admin client gets a token. What it may do is seen when it lists."""
    admin = _admin(values, address, conduct)
    with closing(admin.wire):
        admin.check_secret()


def new_secret() -> str:
    return secrets.token_urlsafe(_RANDOM_BYTES)


def no_probes(client: Client) -> tuple[Probe, ...]:
    """Return nothing: a secret's proof is that the token endpoint accepts it, also for a client that gets no token of its own."""
    del client
    return ()


def _admin(values: Mapping[str, str], address: str | None, conduct: Conduct) -> RealmAdmin:
    del address
    names = {"admin_client_id": "OIDC_ADMIN_CLIENT_ID", "admin_client_secret": "OIDC_ADMIN_CLIENT_SECRET"}
    missing = [name for field, name in names.items() if not values.get(field)]
    if missing:
        raise BadInput(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not there.",
            "Secrets are listed, made and deleted by a client that may manage clients. Nothing was sent.",
            "Create one as docs/integrations/oidc.md says under Set-up, and run opsflows connect oidc.",
        )
    wire = Wire("oidc", conduct, signatures=(*SIGNATURES, *CLIENT_SIGNATURES), published_hosts=PUBLISHED_HOSTS)
    wire.check_host(values["issuer"])
    return RealmAdmin(
        values["issuer"], values["client_id"], values["admin_client_id"], values["admin_client_secret"], wire
    )


def _seen(session: Session) -> RegisteredClient:
    """Read the client after a change; where that fails, the change has been made all the same."""
    try:
        return session.read_client()
    except OpsError as error:
        raise OutcomeUnknown(
            error.happened,
            "Keycloak took the change before that; how the client stands now could not be seen.",
            "The next step looks at the client before anything is repeated.",
            error.symptom,
        ) from error


def _place_of(client: RegisteredClient, value: str) -> Secret | None:
    return next((one for one in (client.first, client.second) if one is not None and one.holds(value)), None)


def _listed(client: RegisteredClient) -> tuple[ListedCredential, ...]:
    """Return what Keycloak accepts, and the first secret in any case; once that has ended, the second is refused with it."""
    works = not client.has_ended
    first = _entry(client, client.first, "the first secret", enabled=works and not client.is_sealed)
    if client.second is None or not works:
        return (first,)
    return (first, _entry(client, client.second, "the second secret", enabled=True))


def _entry(client: RegisteredClient, secret: Secret, hint: str, *, enabled: bool) -> ListedCredential:
    made_at = datetime.fromtimestamp(secret.made_at, UTC) if secret.made_at else None
    return ListedCredential(_id(secret, client), "", enabled, hint, made_at, fits=partial(_fit, secret))


def _fit(secret: Secret, value: str) -> Fit:
    return Fit.EXACT if secret.holds(value) else Fit.NO


def _id(secret: Secret, client: RegisteredClient) -> str:
    """Return our name for it. Where Keycloak itself rotated, it dates both by that second: the second one is told apart."""
    is_second = secret.made_at == client.first.made_at and not secret.holds(client.first.value)
    return f"secret-{secret.made_at}{'-second' if is_second else ''}"


def _in_second(client: RegisteredClient, secret: Secret) -> dict[str, object]:
    return client.having(_beside(client, secret))


def _in_first(client: RegisteredClient, secret: Secret, beside: Secret | None = None) -> dict[str, object]:
    """Return the client with this secret as its first; what nobody knows or has ended is not kept beside it.

    Its end is left out: the policy names one for a secret that has none, as it does at an update.
    """
    second = _beside(client, beside) if beside is not None and _overlaps(client) else NO_SECOND
    return client.having({MADE_AT: str(secret.made_at), ENDS_AT: "", SEALED: "", **second}, secret.value)


def _overlaps(client: RegisteredClient) -> bool:
    """Say whether anybody can have use of the first secret beside another."""
    return not client.is_sealed and not client.has_ended


def _sealed(client: RegisteredClient) -> dict[str, object]:
    """Return the client with a first secret that nobody is told."""
    made_at = str(_next_moment(client))
    return client.having({MADE_AT: made_at, ENDS_AT: "", SEALED: made_at, **NO_SECOND}, new_secret())


def _next_moment(client: RegisteredClient) -> int:
    """Return when a new secret is made; never the second of the first one, by which that is named."""
    return max(client.told_at, client.first.made_at + 1)


def _beside(client: RegisteredClient, secret: Secret) -> dict[str, str]:
    ends_at = client.told_at + int(SECOND_LIFE.total_seconds())
    return {SECOND: secret.value, SECOND_MADE_AT: str(secret.made_at), SECOND_ENDS_AT: str(ends_at)}


ROTATIONS = (
    Rotation(
        "oidc", Purpose.SEND, "client_secret",
        Manifest(Mint.BY_CLIENT, listable=True, slots=SLOTS, usual_age=USUAL_AGE),
        connect=connect_secrets,
        check=check_secret,
        # An unknown or disabled client says nothing about the secret: it works again once the client does.
        refusals=frozenset({"oidc.client_refused"}),
        probes=no_probes,
        point=point,
        new_value=new_secret,
    ),
    Rotation(
        "oidc", Purpose.MANAGE, "admin_client_secret", Manifest(Mint.BY_HAND),
        connect=None,
        check=check_admin_secret,
        refusals=frozenset({"oidc.admin_secret_refused"}),
        probes=no_probes,
        by_hand=ByHand(
            create="In the realm's console open Clients, choose the client that OIDC_ADMIN_CLIENT_ID names, open Credentials and press Regenerate beside Client Secret. Copy the new secret into the block; rotations wait until it is there.",
            revoke="In the realm's console open Clients, choose the client that OIDC_ADMIN_CLIENT_ID names, open Credentials and press Invalidate beside the rotated secret. Where no rotated secret is shown, the old one ended when the new one was made.",
        ),
    ),
)  # fmt: skip

# Keycloak publishes no rate limit; what stands in front of it may have one.
LIMITS: tuple[Limit, ...] = ()
