"""Signing in with Clerk: tokens signed with a key of our own, keys served over real HTTP (hardening, row 12)."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.utils import timezone

from accounts import clerk
from accounts.models import Notification, User

pytestmark = pytest.mark.django_db
URL = "/api/auth/clerk-sync"
ISSUER, PARTY = "https://clerk.example.com", "https://app.example.com"
KEY, OTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
PUBLIC_PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk(key, kid):
    return json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig", "alg": "RS256"}


class Jwks:
    """Clerk's key endpoint: counts its calls and can be taken down."""

    def __init__(self):
        self.keys, self.calls, self.status = [jwk(KEY, "k1")], 0, 200
        jwks = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                jwks.calls += 1
                body = json.dumps({"keys": jwks.keys}).encode()
                self.send_response(jwks.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


class Clock:
    moment = 1000.0

    def __call__(self):
        return self.moment


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(clerk, "key_set", clerk.KeySet(clock=clock))
    return clock


@pytest.fixture
def jwks(settings, clock):
    jwks = Jwks()
    settings.CLERK_ISSUER, settings.CLERK_AUTHORIZED_PARTIES = ISSUER, [PARTY]
    settings.CLERK_JWKS_URL = f"http://127.0.0.1:{jwks.server.server_port}/.well-known/jwks.json"
    yield jwks
    jwks.server.shutdown()
    jwks.server.server_close()


def token(*, key=KEY, algorithm="RS256", headers=None, **changes):
    now = int(time.time())
    claims = {
        "iss": ISSUER, "azp": PARTY, "sub": "user_1", "sid": "sess_1", "iat": now, "nbf": now - 5, "exp": now + 60,
        "email": "Ann@Example.com", "email_verified": True,
    }  # fmt: skip
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "k1"} | (headers or {}))


def sync(api, encoded, **body):
    return api.post(URL, body, HTTP_AUTHORIZATION=f"Bearer {encoded}")


def code(answer):
    return answer.json()["errors"][0]["code"]


def test_a_new_person_gets_an_account_and_our_tokens(api, jwks):
    answer = sync(api, token(), first_name="Ann", last_name="Lee")
    assert answer.status_code == 200, answer.text
    user = User.objects.get()
    assert (user.email, user.clerk_user_id, user.first_name) == ("ann@example.com", "user_1", "Ann")
    assert user.email_verified_at is not None
    assert not user.has_usable_password()
    assert api.get("/api/auth/me", HTTP_AUTHORIZATION=f"Bearer {answer.json()['access_token']}").status_code == 200


def test_the_token_may_come_in_the_body_and_the_same_person_comes_back(api, jwks):
    assert api.post(URL, {"token": token()}).status_code == 200
    again = api.post(URL, {"token": token(email="moved@example.com"), "clerk_user_id": "user_1"})
    assert again.status_code == 200
    assert User.objects.get().email == "ann@example.com"


def test_names_only_fill_what_is_empty(api, jwks):
    sync(api, token(), first_name="Ann")
    sync(api, token(), first_name="Eve", last_name="Lee")
    user = User.objects.get()
    assert (user.first_name, user.last_name) == ("Ann", "Lee")


def test_an_address_that_clerk_has_not_verified_has_to_be_confirmed_here(api, jwks):
    assert sync(api, token(email_verified=False)).status_code == 200
    assert User.objects.get().email_verified_at is None
    assert Notification.objects.get().kind == "email_verification"


FORGED = {
    "other key": lambda: token(key=OTHER),
    "unknown kid": lambda: token(headers={"kid": "k9"}),
    "no kid": lambda: token(headers={"kid": ""}),
    "none": lambda: jwt.encode({"sub": "user_1"}, None, algorithm="none", headers={"kid": "k1"}),
    "HS256 with a secret": lambda: token(key="s" * 64, algorithm="HS256"),
    "RS512": lambda: token(algorithm="RS512"),
    "expired": lambda: token(exp=int(time.time()) - 10),
    "from the future": lambda: token(nbf=int(time.time()) + 60),
    "no exp": lambda: token(exp=None),
    "other issuer": lambda: token(iss="https://evil.example"),
    "other party": lambda: token(azp="https://evil.example"),
    "no party": lambda: token(azp=None),
    "no session": lambda: token(sid=None),
    "no subject": lambda: token(sub=None),
    "empty subject": lambda: token(sub=""),
    "its own key": lambda: token(key=OTHER, headers={"jwk": jwk(OTHER, "k1"), "jku": "http://127.0.0.1:1/"}),
    "swollen": lambda: token(padding="x" * 90_000),
    "no token": lambda: "x.y.z",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_forged_token_is_401_and_makes_nobody(api, jwks, forge):
    for answer in (sync(api, forge()), api.post(URL, {"token": forge()})):
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert not User.objects.exists()


def test_a_public_key_is_no_secret(api, jwks):
    body = token().split(".")[1]
    header = jwt.utils.base64url_encode(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "k1"}).encode())
    signer = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = jwt.utils.base64url_encode(signer.sign(header + b"." + body.encode(), PUBLIC_PEM))
    assert sync(api, b".".join([header, body.encode(), signature]).decode()).status_code == 401


@pytest.mark.parametrize("said", [{"clerk_user_id": "user_2"}, {"email": "eve@example.com"}])
def test_a_body_that_says_otherwise_is_401(api, jwks, said):
    assert sync(api, token(), **said).status_code == 401
    assert not User.objects.exists()


def test_no_token_at_all_is_401_and_an_unknown_member_400(api, jwks):
    assert api.post(URL, {}).status_code == 401
    assert sync(api, token(), role="admin").status_code == 400


@pytest.mark.parametrize(
    "lacking", [{"email": None}, {"email_verified": None}, {"email": 5}, {"email_verified": "true"}]
)
def test_without_the_claims_about_the_address_it_is_422(api, jwks, lacking):
    answer = sync(api, token(**lacking))
    assert (answer.status_code, code(answer)) == (422, "clerk_email_missing")


def test_an_account_is_linked_when_both_sides_have_proven_the_address(api, jwks, make_user):
    user = make_user(email="ann@example.com")
    assert sync(api, token()).json()["user"]["id"] == user.pk
    user.refresh_from_db()
    assert user.clerk_user_id == "user_1"


@pytest.mark.parametrize(
    "account",
    [
        {"email_verified_at": None},
        {"is_superuser": True},
        {"roles": ["mechanic"]},
        {"perms": ["cars.sync_cars"]},
        {"clerk_user_id": "user_7"},
    ],
)
def test_no_other_account_is_taken_over(api, jwks, make_user, account):
    user = make_user(email="ann@example.com", **account)
    answer = sync(api, token())
    assert (answer.status_code, code(answer)) == (409, "email_in_use")
    user.refresh_from_db()
    assert user.clerk_user_id == account.get("clerk_user_id")


def test_an_address_that_clerk_has_not_verified_takes_nothing_over(api, jwks, make_user):
    make_user(email="ann@example.com")
    assert sync(api, token(email_verified=False)).status_code == 409


def test_a_deactivated_account_stays_out(api, jwks, make_user):
    make_user(email="ann@example.com", clerk_user_id="user_1", is_active=False)
    assert sync(api, token()).status_code == 401


@pytest.mark.parametrize("name", ["CLERK_ISSUER", "CLERK_JWKS_URL", "CLERK_AUTHORIZED_PARTIES"])
def test_without_its_settings_it_is_503(api, jwks, settings, name):
    setattr(settings, name, type(getattr(settings, name))())
    answer = sync(api, token())
    assert (answer.status_code, code(answer)) == (503, "clerk_not_configured")


def test_keys_are_asked_for_once_an_hour(api, jwks, clock):
    for _ in range(3):
        sync(api, token())
    assert jwks.calls == 1
    clock.moment += 3600
    sync(api, token())
    assert jwks.calls == 2


def test_unknown_keys_are_asked_for_once_a_minute_at_most(api, jwks, clock):
    sync(api, token())
    clock.moment += 60
    for _ in range(5):
        assert sync(api, token(headers={"kid": "k2"}, key=OTHER)).status_code == 401
    assert jwks.calls == 2


def test_a_rotated_key_is_found(api, jwks, clock):
    sync(api, token())
    jwks.keys = [jwk(OTHER, "k2")]
    clock.moment += 60
    assert sync(api, token(headers={"kid": "k2"}, key=OTHER)).status_code == 200
    assert sync(api, token()).status_code == 401  # Clerk withdrew it.


def test_while_clerk_is_down_the_last_good_keys_stay(api, jwks, clock):
    sync(api, token())
    jwks.status = 500
    clock.moment += 7200
    assert sync(api, token()).status_code == 200
    answer = sync(api, token(headers={"kid": "k2"}, key=OTHER))
    assert (answer.status_code, code(answer)) == (503, "clerk_unavailable")


def test_without_any_key_it_is_503_with_retry_after(api, jwks, clock):
    jwks.status = 500
    answer = sync(api, token())
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    jwks.status = 200
    assert sync(api, token()).status_code == 503  # Asked a moment ago.
    clock.moment += 60
    assert sync(api, token()).status_code == 200


@pytest.mark.parametrize(
    "keys", [[], [{"kty": "oct", "kid": "k1", "k": "c2VjcmV0"}], ["x"], [{"kty": "RSA", "kid": "k1"}]]
)
def test_an_answer_without_usable_keys_is_no_answer(api, jwks, keys):
    jwks.keys = keys
    assert sync(api, token()).status_code == 503


def test_one_bad_key_among_good_ones_is_left_out(api, jwks):
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    jwks.keys = [{"kty": "RSA", "kid": "k0"}, jwk(weak, "k3"), *jwks.keys]
    assert sync(api, token()).status_code == 200


def test_signing_in_is_remembered(api, jwks):
    before = timezone.now()
    sync(api, token())
    assert User.objects.get().last_login >= before
