"""A GitHub App's private key: how an operator may paste it, and the token that is signed with it.

Source: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app,
.../managing-private-keys-for-github-apps
"""

import json
import re
import textwrap
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from domain.errors import BadInput
from vendors.fields import NOTHING_SENT

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

# GitHub takes at most ten minutes ahead, and its own sample dates the token back by one, for clocks that differ.
DATED_BACK = timedelta(seconds=60)
VALID_FOR = timedelta(seconds=540)

_PEM = re.compile(r"-----BEGIN (?P<kind>(?:RSA )?PRIVATE KEY)-----(?P<body>[A-Za-z0-9+/=\s]+)-----END (?P=kind)-----")
_LINE_LENGTH = 64
_FEWEST_BITS = 2048
# A prompt reads one line, and a file of variables holds one: "paste -sd' ' key.pem" joins them.
_FROM_THE_FILE = "Paste the whole .pem file that GitHub downloaded, from BEGIN to END; on one line its lines may be joined by blanks or \\n."


def check_private_key(value: str) -> str:
    r"""Return the key as a .pem file has it, whether its lines came as lines, joined by \n, or run together.

    Raises:
        BadInput: it is no RSA private key, or a damaged one; nothing of it is shown.
    """
    found = _PEM.fullmatch(value.replace("\\r", "").replace("\\n", "\n").strip())
    if found is None:
        raise _unusable(f"the value ({len(value)} characters) is not a private key in PEM")
    body = "".join(found["body"].split())
    pem = "\n".join(
        (f"-----BEGIN {found['kind']}-----", *textwrap.wrap(body, _LINE_LENGTH), f"-----END {found['kind']}-----")
    )
    if not _is_whole(_loaded(pem)):
        raise _unusable("the private key is damaged: its numbers do not belong together")
    return pem


def app_token(app_id: str, private_key: str, now: datetime) -> str:
    """Return a token that says for ten minutes that we are the app. `now` is GitHub's time.

    The app's number goes into it as a number: as a text it was seen to be refused ("must be an Integer").
    """
    # Imported here: with its cryptography it takes 40 ms, and the registry is imported by everything.
    import jwt  # noqa: PLC0415 (as above)

    issuer = int(app_id) if app_id.isdecimal() else app_id
    claims = {"iat": int((now - DATED_BACK).timestamp()), "exp": int((now + VALID_FOR).timestamp()), "iss": issuer}
    # Below PyJWT's own checks of claims, which let no number be an issuer.
    return jwt.PyJWS().encode(json.dumps(claims).encode(), _loaded(private_key), algorithm="RS256")


def _loaded(pem: str) -> "RSAPrivateKey":
    # Imported here, as above.
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 (as above)
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 (as above)

    try:
        # Whether its primes are primes takes 50 ms to see each time; that they belong together is seen in _is_whole.
        key = load_pem_private_key(pem.encode(), password=None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError):
        raise _unusable("the private key cannot be read: part of it is missing, or it has a password") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < _FEWEST_BITS:
        raise _unusable("the private key is not an RSA key as GitHub makes them")
    return key


def _is_whole(key: "RSAPrivateKey") -> bool:
    """Say whether the key's numbers fit each other: a character that was lost or changed shows here, not as a refusal."""
    numbers = key.private_numbers()
    p, q, d, public = numbers.p, numbers.q, numbers.d, numbers.public_numbers
    return (
        p * q == public.n
        and (d * public.e) % (p - 1) == 1
        and (d * public.e) % (q - 1) == 1
        and (numbers.dmp1, numbers.dmq1) == (d % (p - 1), d % (q - 1))
        and (numbers.iqmp * q) % p == 1
    )


def _unusable(what: str) -> BadInput:
    return BadInput(f"{what}.", NOTHING_SENT, _FROM_THE_FILE)
