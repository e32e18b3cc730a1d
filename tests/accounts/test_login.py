import pytest

from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
URL = "/api/auth/login"


def test_a_user_signs_in_by_email_and_gets_tokens_that_work(api, user):
    answer = api.post(URL, {"email": " Alice@EXAMPLE.com".strip(), "password": PASSWORD})
    assert answer.status_code == 200, answer.json()
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 900
    assert body["user"]["email"] == "alice@example.com"
    assert body["user"]["roles"] == []
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {body['access_token']}")
    assert api.get("/api/auth/me").json()["id"] == user.pk
