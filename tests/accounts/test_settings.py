"""What the settings of accounts decide, and what is said of settings that cannot be right."""

import os
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from accounts.checks import clerk_is_whole, known_choices

SIGN = """
import django
django.setup()
import jwt
from accounts.tokens import AccessToken
token = str(AccessToken())
AccessToken(token)
print(jwt.get_unverified_header(token)["alg"])
"""


def test_rs256_and_its_keys_come_from_the_environment():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    keys = {"JWT_ALG": "RS256", "JWT_PRIVATE_KEY": private.replace("\n", "\\n"), "JWT_PUBLIC_KEY": public}
    env = os.environ | keys | {"DJANGO_SETTINGS_MODULE": "config.settings.test"}
    run = subprocess.run([sys.executable, "-c", SIGN], env=env, capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.split() == ["RS256"]


@pytest.mark.parametrize(("name", "value"), [("IDENTITY_PROVIDER", "sandbox "), ("JWT_ALG", "none")])
def test_a_choice_that_nobody_knows_is_an_error(settings, name, value):
    assert known_choices() == []
    setattr(settings, name, value)
    assert [message.id for message in known_choices()] == ["accounts.E001"]


def test_half_a_set_up_of_clerk_is_a_warning(settings):
    assert clerk_is_whole() == []
    settings.CLERK_ISSUER = "https://clerk.example.com"
    (warning,) = clerk_is_whole()
    assert warning.id == "accounts.W001"
    assert "CLERK_JWKS_URL" in warning.msg
