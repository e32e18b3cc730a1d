"""Every token that is not exactly ours is 401, whatever else is wrong with it (hardening, row 6)."""

import json
import time
from base64 import urlsafe_b64encode
from datetime import timedelta

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.utils import timezone
from rest_framework_simplejwt.backends import TokenBackend

from accounts.models import TokenFamily
from accounts.tokens import ACCESS_LIFETIME, AccessToken, RefreshToken, issue_tokens

pytestmark = pytest.mark.django_db
ME = "/api/auth/me"
KEY = settings.JWT_SECRET_KEY
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
HUGE = 10**30


@pytest.fixture
def pair(user):
    return issue_tokens(user=user, now=timezone.now())


@pytest.fixture
def payload(pair):
    return jwt.decode(pair.access, options={"verify_signature": False})


def signed(payload, *, key=KEY, algorithm="HS256", headers=None):
    """Signs by hand: PyJWT would refuse to sign some of these."""
    head = {"alg": algorithm, "typ": "JWT", **(headers or {})}
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, payload)]
    signer = jwt.algorithms.get_default_algorithms()[algorithm]
    prepared = key if algorithm != "none" else None
    if algorithm.startswith("HS"):
        prepared = key if isinstance(key, bytes) else key.encode()
    signature = signer.sign(b".".join(parts), prepared)
    return b".".join([*parts, urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def status_of(api, token):
    answer = api.get(ME, HTTP_AUTHORIZATION=f"Bearer {token}")
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["type"] == "client_error"
    return answer.status_code


def test_the_hand_signed_token_is_good_when_nothing_is_changed(api, payload):
    assert status_of(api, signed(payload)) == 200


CHANGES = {
    "expired": {"exp": 1_600_000_000},
    "not valid before tomorrow": {"nbf": int(time.time()) + 86_400},
    "without exp": {"exp": None},
    "without jti": {"jti": None},
    "without issuer": {"iss": None},
    "without family": {"family": None},
    "without version": {"tv": None},
    "without subject": {"sub": None},
    "without type": {"token_type": None},
    "refresh type": {"token_type": "refresh"},
    "other issuer": {"iss": "elsewhere"},
    "subject is a word": {"sub": "abc"},
    "subject is a list": {"sub": [1]},
    "subject is a number": {"sub": 1},
    "subject is huge": {"sub": str(HUGE)},
    "subject is negative": {"sub": "-1"},
    "subject in other digits": {"sub": "١"},
    "subject is nobody": {"sub": "987654321"},
    "subject with NUL": {"sub": "1\0"},
    "exp is huge": {"exp": HUGE},
    "exp is a word": {"exp": "soon"},
    "exp is a list": {"exp": [1]},
    "iat is in the future": {"iat": int(time.time()) + 86_400},
    "family is a word": {"family": "abc"},
    "family is a list": {"family": ["a"]},
    "family is another": {"family": "7f5f0cb6-86b7-4a6e-8d39-2c4a2ff2a0d1"},
    "jti is a list": {"jti": [1]},
    "version is older": {"tv": -1},
    "version is a text": {"tv": "0"},
    "version is true": {"tv": False},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES.keys())
def test_a_validly_signed_token_with_other_claims_is_refused(api, payload, changes):
    changed = {name: value for name, value in (payload | changes).items() if value is not None}
    assert status_of(api, signed(changed)) == 401


def test_tokens_signed_in_another_way_are_refused(api, payload):
    none = signed(payload, algorithm="none").rsplit(".", 1)[0] + "."
    tokens = [
        none,
        signed(payload, algorithm="HS512"),
        signed(payload, algorithm="HS384"),
        signed(payload, key="x" * 64),
        signed(payload, key=PUBLIC_PEM),
        signed(payload, algorithm="RS256", key=RSA_KEY),
        signed(payload)[:-4] + "AAAA",
    ]
    assert [status_of(api, token) for token in tokens] == [401] * len(tokens)


def test_what_is_no_token_at_all_is_refused(api):
    tokens = ["", "a", "a.b", "a.b.c", "....", "ä.ö.ü".encode().decode("latin-1"), "x" * 100_000, "a b", "null"]
    assert {status_of(api, token) for token in tokens} == {401}


def test_keys_that_the_header_brings_along_are_ignored(api, payload):
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY.public_key()))
    headers = {"kid": "../../dev/null", "jku": "https://evil.example/jwks", "jwk": jwk, "x5u": "https://evil.example"}
    assert status_of(api, signed(payload, headers=headers)) == 200
    assert status_of(api, signed(payload, headers=headers, algorithm="RS256", key=RSA_KEY)) == 401
    assert status_of(api, signed(payload, headers=headers, key="y" * 64)) == 401


def test_a_refresh_token_is_no_access_token_and_the_other_way_round(api, pair):
    assert status_of(api, pair.refresh) == 401
    assert api.post("/api/auth/refresh", {"refresh_token": pair.access}).status_code == 401


@pytest.mark.parametrize("change", [{"is_active": False}, {"token_version": 7}])
def test_a_token_ends_with_its_users_right_to_be_here(api, user, pair, change):
    type(user).objects.filter(pk=user.pk).update(**change)
    assert status_of(api, pair.access) == 401
    assert api.post("/api/auth/refresh", {"refresh_token": pair.refresh}).status_code == 401


def test_a_token_ends_with_its_user_and_with_its_family(api, user, other_user, pair):
    other = issue_tokens(user=other_user, now=timezone.now())
    TokenFamily.objects.filter(user=other_user).update(revoked_at=timezone.now())
    user.delete()
    assert [status_of(api, pair.access), status_of(api, other.access)] == [401, 401]
    for refresh in (pair.refresh, other.refresh):
        assert api.post("/api/auth/refresh", {"refresh_token": refresh}).status_code == 401


def test_a_family_of_somebody_else_does_not_help(api, payload, other_user):
    issue_tokens(user=other_user, now=timezone.now())
    family = TokenFamily.objects.get(user=other_user)
    assert status_of(api, signed(payload | {"family": str(family.pk)})) == 401


def test_a_good_token_of_another_scheme_is_no_token(api, pair):
    assert api.get(ME, HTTP_AUTHORIZATION=f"Basic {pair.access}").status_code == 401
    assert api.get(ME, HTTP_AUTHORIZATION=pair.access).status_code == 401


def test_a_bad_token_is_refused_even_where_nobody_has_to_sign_in(api, pair):
    answer = api.post("/api/auth/login", {"email": "x"}, HTTP_AUTHORIZATION="Bearer worn-out")
    assert answer.status_code == 400  # Signing in does not look at it: that is how one gets a new one.


def test_rs256_signs_and_refuses_what_the_public_key_signs_as_a_secret(api, user, monkeypatch):
    backend = TokenBackend("RS256", RSA_KEY, PUBLIC_PEM.decode(), issuer="forecourt", leeway=5)
    monkeypatch.setattr(AccessToken, "_token_backend", backend)
    monkeypatch.setattr(RefreshToken, "_token_backend", backend)
    pair = issue_tokens(user=user, now=timezone.now())
    assert jwt.get_unverified_header(pair.access)["alg"] == "RS256"
    assert status_of(api, pair.access) == 200
    payload = jwt.decode(pair.access, options={"verify_signature": False})
    assert status_of(api, signed(payload, key=PUBLIC_PEM)) == 401
    assert status_of(api, signed(payload)) == 401


def test_a_token_that_was_good_before_ends_at_its_time(api, pair):
    assert status_of(api, pair.access) == 200
    with time_machine.travel(timezone.now() + ACCESS_LIFETIME + timedelta(seconds=6)):
        assert status_of(api, pair.access) == 401
