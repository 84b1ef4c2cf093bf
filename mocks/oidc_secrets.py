"""How Keycloak keeps two secrets of a client, as the executor secret-rotation does it, and what becomes of them without it.

Traps kept: an update with another secret rotates nothing, the old one is gone; an update or a new secret while no policy
applies drops the second secret; once the first has expired, the second is refused as well, and the next update makes a new one.
Source: services/src/main/java/org/keycloak/services/clientpolicy/executor/ClientSecretRotationExecutor.java,
services/src/main/java/org/keycloak/protocol/oidc/OIDCClientSecretConfigWrapper.java of keycloak/keycloak
"""

import secrets

from mocks.oidc_memory import ENDS_AT, MADE_AT, SECOND, SECOND_ENDS_AT, SECOND_MADE_AT, Client, Realm, new_secret

_OF_SECOND = (SECOND, SECOND_MADE_AT, SECOND_ENDS_AT)


def accepts(desk: Realm, client: Client, secret: str) -> bool:
    """Source: ClientIdAndSecretAuthenticator.java: one of the two fits, and the first has not expired."""
    fits = _same(client.secret, secret) or (_second_is_valid(desk, client) and _same(client.attributes[SECOND], secret))
    return fits and not _expired(desk, client)


def has_second(client: Client) -> bool:
    return bool(client.attributes.get(SECOND)) and bool(client.attributes.get(SECOND_MADE_AT))


def regenerate(desk: Realm, client: Client) -> str:
    """Make a new secret; with the policy the old one becomes the second, without it the old one is gone."""
    old, policy, now = client.secret, desk.memory.policy, int(desk.now())
    client.secret = new_secret()
    client.attributes[MADE_AT] = str(now)
    if not policy.enabled:
        _forget_rotation(client)
        return client.secret
    _set_aside(desk, client, old)
    client.attributes[ENDS_AT] = str(now + policy.expiration_s)
    return client.secret


def updated(desk: Realm, client: Client) -> None:
    """Do what follows each update of a client."""
    policy, now = desk.memory.policy, int(desk.now())
    if not policy.enabled or client.public:
        _forget_rotation(client)
    elif ENDS_AT not in client.attributes:
        client.attributes[ENDS_AT] = str(now + policy.expiration_s)
    elif _expired(desk, client):
        regenerate(desk, client)


def drop_second(client: Client) -> None:
    for name in _OF_SECOND:
        client.attributes.pop(name, None)


def _set_aside(desk: Realm, client: Client, secret: str) -> None:
    life, now = desk.memory.policy.rotated_expiration_s, int(desk.now())
    if not life:
        drop_second(client)
        return
    client.attributes |= {SECOND: secret, SECOND_MADE_AT: str(now), SECOND_ENDS_AT: str(now + life)}


def _forget_rotation(client: Client) -> None:
    client.attributes.pop(ENDS_AT, None)
    drop_second(client)


def _expired(desk: Realm, client: Client) -> bool:
    ends_at = int(client.attributes.get(ENDS_AT) or 0)
    return 0 < ends_at < desk.now()


def _second_is_valid(desk: Realm, client: Client) -> bool:
    return has_second(client) and int(client.attributes.get(SECOND_ENDS_AT) or 0) >= desk.now()


def _same(known: str, sent: str) -> bool:
    return secrets.compare_digest(known.encode(), sent.encode())
