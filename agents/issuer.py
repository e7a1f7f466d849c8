"""Who signs drivers in, as the settings name them, and where tokens and keys may travel."""

from __future__ import annotations

from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

#: Firebase Auth's issuers: this, and the project.
FIREBASE_ISSUER: Final = "https://securetoken.google.com/"
#: Where tokens may travel without TLS.
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Issuer(BaseModel):
    """Who signs drivers in: an OpenID Connect issuer, Firebase Auth among them."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    issuer: str = Field(description="as in the tokens' `iss`")
    audience: str = Field(min_length=1, description="as in the tokens' `aud`: the client id, or Firebase's project")
    jwks: str | None = Field(None, description="address of its keys; else as Firebase's are, or by discovery")
    client_id: str | None = Field(None, description="for signing in by the browser (authorization code, PKCE)")
    client_secret: SecretStr | None = None
    prefix: str = Field("", max_length=20, description="before `sub`, to tell issuers' drivers apart")

    @field_validator("issuer", "jwks")
    @classmethod
    def _encrypted(cls, value: str | None) -> str | None:
        if value is not None and not cls.safe(value):
            raise ValueError("give an https address; http is for this machine only")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.is_firebase and (self.issuer != FIREBASE_ISSUER + self.audience or self.client_id is not None):
            raise ValueError(f"Firebase is {FIREBASE_ISSUER}PROJECT with audience PROJECT, and has no client_id")
        if self.client_id not in {None, self.audience}:
            raise ValueError("what an issuer gives by the browser is meant for its client: audience = client_id")
        return self

    @property
    def is_firebase(self) -> bool:
        return self.issuer.startswith(FIREBASE_ISSUER)

    @staticmethod
    def safe(url: str) -> bool:
        """Whether keys and tokens may travel there."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return bool(parts.hostname) and (
            parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        )
