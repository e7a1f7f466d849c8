"""Every rule of an ID token, one case each: what breaks it is not believed, and why is said without its words."""

import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.driver_api.identity import MAX_TOKEN, NotBelieved, bearer
from agents.issuer import Issuer
from tests.signing import EC, FIREBASE, NOW, OIDC, OTHER_RSA, RSA, Cloud, claims, raw, seconds, signed

PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
SESSION_ISSUER = "https://session.firebase.google.com/p-1"
CUSTOM_AUDIENCE = "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"
MINUTE = timedelta(minutes=1)


def by_shared_secret(secret: bytes) -> str:
    """HS256 with what everybody knows: the public key."""
    unsigned = raw({"alg": "HS256", "typ": "JWT", "kid": "k1"}, claims()).rpartition(".")[0]
    signature = hmac.digest(secret, unsigned.encode(), sha256)
    return f"{unsigned}.{raw(0, 0, signature).rpartition('.')[2]}"


def bent(token: str) -> str:
    """One character of the signature is another."""
    head, _, signature = token.rpartition(".")
    middle = len(signature) // 2
    return f"{head}.{signature[:middle]}{'A' if signature[middle] != 'A' else 'B'}{signature[middle + 1 :]}"


REFUSED: dict[str, tuple[str, str]] = {
    "nothing": ("", "it is no token"),
    "words": ("not a token", "it is no token"),
    "two parts": ("a.b", "it is no token"),
    "a list of claims": (raw({"alg": "RS256", "kid": "k1"}, [1]), "it is no token"),
    "a list as header": (raw(["alg"], claims()), "it is no token"),
    "no letters of ours": ("é.é.é", "it is no token"),
    "deep": (f"{'[' * 5000}.{'[' * 2000}.", "it is no token"),
    "too long": (signed(claims(pad="x" * MAX_TOKEN)), "too long"),
    "alg none": (raw({"alg": "none", "typ": "JWT", "kid": "k1"}, claims()), "alg"),
    "alg None": (raw({"alg": "None", "typ": "JWT", "kid": "k1"}, claims()), "alg"),
    "alg a list": (raw({"alg": ["RS256"], "typ": "JWT", "kid": "k1"}, claims()), "alg"),
    "no alg": (raw({"typ": "JWT", "kid": "k1"}, claims()), "alg"),
    "HS256 with the public key": (by_shared_secret(PEM), "alg"),
    "RS512": (signed(claims(), algorithm="RS512"), "alg"),
    "PS256": (signed(claims(), algorithm="PS256"), "alg"),
    "ES256 of Firebase": (signed(claims(), EC, "ES256", kid="e1"), "alg"),
    "an access token": (signed(claims(), typ="at+jwt"), "typ"),
    "a logout token": (signed(claims(), typ="logout+jwt"), "typ"),
    "typ a number": (raw({"alg": "RS256", "typ": 5, "kid": "k1"}, claims(), b"s"), "typ"),
    "no kid": (raw({"alg": "RS256", "typ": "JWT"}, claims(), b"s"), "kid"),
    "empty kid": (signed(claims(), kid=""), "kid"),
    "unknown kid": (signed(claims(), kid="k9"), "kid: no key"),
    "another's key": (signed(claims(), OTHER_RSA), "signature"),
    "its own key in the header": (signed(claims(), OTHER_RSA, jwk={"kty": "RSA"}, jku="https://evil.example"), "sig"),
    "a bent signature": (bent(signed(claims())), "signature"),
    "no signature": (signed(claims()).rpartition(".")[0] + ".", "signature"),
    "an extension that must be understood": (signed(claims(), crit=["exp"]), "it is no token|signature"),
    "wrong iss": (signed(claims(iss="https://securetoken.google.com/p-2")), "iss"),
    "no iss": (signed(claims(iss=None)), "iss"),
    "iss with a slash more": (signed(claims(iss=FIREBASE.issuer + "/")), "iss"),
    "iss a list": (raw({"alg": "RS256", "typ": "JWT", "kid": "k1"}, claims(iss=[FIREBASE.issuer]), b"s"), "iss"),
    "a session cookie": (signed(claims(iss=SESSION_ISSUER)), "iss"),
    "a custom token": (signed({**claims(iss="robot@p-1.example", aud=CUSTOM_AUDIENCE), "uid": "anna"}), "iss"),
    "a custom token by the issuer's name": (signed(claims(aud=CUSTOM_AUDIENCE)), "aud"),
    "wrong aud": (signed(claims(aud="p-2")), "aud"),
    "no aud": (signed(claims(aud=None)), "aud"),
    "aud a list, of Firebase": (signed(claims(aud=["p-1"])), "aud"),
    "aud a part": (signed(claims(aud="p-")), "aud"),
    "no sub": (signed(claims(sub=None)), "sub"),
    "empty sub": (signed(claims(sub="")), "sub"),
    "sub of 129": (signed(claims(sub="x" * 129)), "sub"),
    "sub unseen": (signed(claims(sub="anna\u200b")), "sub"),
    "sub of two lines": (signed(claims(sub="anna\nbert")), "sub"),
    "sub like another issuer's": (signed(claims(sub="o-anna")), "sub"),
    "expired": (signed(claims(exp=seconds(-MINUTE))), "exp"),
    "no exp": (signed(claims(exp=None)), "exp"),
    "exp a text": (signed(claims(exp=str(seconds(MINUTE)))), "it is no token|exp"),
    "exp true": (signed(claims(exp=True)), "exp"),
    "exp of no calendar": (signed(claims(exp=10**15)), "exp"),
    "exp not a number": (signed(claims(exp=float("nan"))), "exp"),
    "iat to come": (signed(claims(iat=seconds(MINUTE + timedelta(seconds=1)))), "iat"),
    "no iat": (signed(claims(iat=None)), "iat"),
    "auth_time to come": (signed(claims(auth_time=seconds(2 * MINUTE))), "auth_time"),
    "no auth_time": (signed(claims(auth_time=None)), "auth_time"),
    "auth_time negative": (signed(claims(auth_time=-5)), "auth_time"),
    "nbf to come": (signed(claims(nbf=seconds(2 * MINUTE))), "nbf"),
    "nbf nought": (signed(claims(nbf=0)), "nbf"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
async def test_what_breaks_a_rule_is_not_believed(case: str) -> None:
    token, why = REFUSED[case]
    with pytest.raises(NotBelieved, match=why) as error:
        await Cloud().verifier().signed(token)
    assert "anna" not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize("said", [5, ["anna"], {"a": 1}, True])
async def test_a_subject_is_a_text(said: Any) -> None:
    token = raw({"alg": "RS256", "typ": "JWT", "kid": "k1"}, claims(sub=said))
    signature = RSA.sign(token.rpartition(".")[0].encode(), *_pkcs1())
    with pytest.raises(NotBelieved, match="sub"):
        await Cloud().verifier().signed(token.rpartition(".")[0] + "." + raw(0, 0, signature).rpartition(".")[2])


def _pkcs1() -> Any:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    return PKCS1v15(), SHA256()


BELIEVED: dict[str, tuple[Callable[[], str], str]] = {
    "Firebase": (lambda: signed(claims()), "anna"),
    "a subject of 128": (lambda: signed(claims(sub="x" * 128)), "x" * 128),
    "clocks differ by a minute": (
        lambda: signed(claims(exp=seconds(-MINUTE) + 1, iat=seconds(MINUTE), auth_time=seconds(MINUTE))), "anna",
    ),
    "typ in small letters": (lambda: signed(claims(), typ="jwt"), "anna"),
    "OIDC, RS256": (lambda: signed(claims(OIDC)), "o-anna"),
    "OIDC, ES256": (lambda: signed(claims(OIDC), EC, "ES256", kid="e1"), "o-anna"),
    "OIDC without auth_time": (lambda: signed(claims(OIDC, auth_time=None)), "o-anna"),
    "OIDC, one of several": (lambda: signed(claims(OIDC, aud=["app", "other"], azp="app")), "o-anna"),
}  # fmt: skip


@pytest.mark.parametrize("case", BELIEVED)
async def test_what_keeps_every_rule_is_believed(case: str) -> None:
    make, driver = BELIEVED[case]
    told = await Cloud().verifier().signed(make())
    assert told.driver == driver
    assert told.until > NOW - MINUTE


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"aud": ["app", "other"]}, "azp"),
        ({"aud": ["app", "other"], "azp": "other"}, "azp"),
        ({"aud": ["other"]}, "aud"),
        ({"sub": "x" * 127}, "sub"),
    ],
)
async def test_rules_of_other_issuers(said: dict[str, Any], why: str) -> None:
    with pytest.raises(NotBelieved, match=why):
        await Cloud().verifier().signed(signed(claims(OIDC, **said)))


async def test_a_key_of_one_kind_verifies_no_signature_of_the_other() -> None:
    cloud = Cloud()
    for token in (signed(claims(OIDC), EC, "ES256", kid="k1"), signed(claims(OIDC), RSA, "RS256", kid="e1")):
        with pytest.raises(NotBelieved, match="signature"):
            await cloud.verifier().signed(token)


async def test_a_key_of_another_issuer_proves_nothing() -> None:
    cloud = Cloud()
    cloud.answers["https://id.example/keys"] = {"keys": []}
    with pytest.raises(NotBelieved, match="kid"):
        await cloud.verifier().signed(signed(claims(OIDC)))


@pytest.mark.parametrize("nonce", ["other", "", "n-1 "])
async def test_a_token_of_another_sign_in_is_not_believed(nonce: str) -> None:
    token = signed(claims(nonce="n-1"))
    assert (await Cloud().verifier().signed(token, nonce="n-1")).driver == "anna"
    with pytest.raises(NotBelieved, match="nonce"):
        await Cloud().verifier().signed(token, nonce=nonce)
    with pytest.raises(NotBelieved, match="nonce"):
        await Cloud().verifier().signed(signed(claims()), nonce="n-1")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
named = st.sampled_from(["iss", "aud", "sub", "exp", "iat", "nbf", "auth_time", "azp", "nonce", "jti"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=st.dictionaries(named, anything, min_size=1), header=st.dictionaries(st.text(max_size=4), anything))
async def test_no_claim_makes_it_fail_otherwise(changed: dict[str, Any], header: dict[str, Any]) -> None:
    verifier = Cloud().verifier(FIREBASE)
    unsigned = raw({"alg": "RS256", "typ": "JWT", "kid": "k1", **header}, claims() | changed).rpartition(".")[0]
    token = f"{unsigned}.{raw(0, 0, RSA.sign(unsigned.encode(), *_pkcs1())).rpartition('.')[2]}"
    try:
        told = await verifier.signed(token)
    except NotBelieved:
        return
    said = claims() | changed
    assert told.driver == said["sub"]
    assert said["iss"] == FIREBASE.issuer
    assert said["aud"] == FIREBASE.audience
    assert said["exp"] > (NOW - MINUTE).timestamp()


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda one: one.decode("latin-1")))
async def test_no_text_makes_it_fail_otherwise(token: str) -> None:
    with pytest.raises(NotBelieved):
        await Cloud().verifier().signed(token)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"), ("bearer abc", "abc"), ("BEARER  abc ", "abc"), ("Bearer", None), ("Bearer ", None),
        ("Basic abc", None), ("", None), ("Bearerabc", None),
    ],
)  # fmt: skip
def test_bearer(header: str, token: str | None) -> None:
    assert bearer({"authorization": header}) == token


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"issuer": "http://id.example", "audience": "a"}, "https"),
        ({"issuer": "https://id.example", "audience": "a", "jwks": "http://id.example/k"}, "https"),
        ({"issuer": "https://[", "audience": "a"}, "https"),
        ({"issuer": "https://id.example", "audience": ""}, "audience"),
        ({"issuer": "https://securetoken.google.com/p-1", "audience": "p-2"}, "Firebase"),
        ({"issuer": "https://securetoken.google.com/p-1", "audience": "p-1", "client_id": "p-1"}, "Firebase"),
        ({"issuer": "https://id.example", "audience": "a", "client_id": "b"}, "client_id"),
        ({"issuer": "https://id.example", "audience": "a", "secret": "b"}, "secret"),
    ],
)
def test_an_issuer_that_cannot_work_is_refused_at_the_start(given: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Issuer.model_validate_json(json.dumps(given))
