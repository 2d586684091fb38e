"""The token endpoint, accounts, and credential files for tests."""

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .docs_model import make_id
from .drive_store import Caller

_GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"
_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LONGEST_ASSERTION_S = 3600
_SKEW_S = 60


class TokenError(Exception):
    """A refusal of the token endpoint, in OAuth's own shape."""

    def __init__(self, error: str, description: str, code: int = 400) -> None:
        super().__init__(description)
        self.code = code
        self.body = {"error": error, "error_description": description}


@dataclass(slots=True)
class ServiceAccount:
    """A service account and the key it was given.

    ``delegated`` maps a user's email (or ``*``) to the scopes an administrator
    allowed; empty means no domain-wide delegation.
    """

    email: str
    client_id: str
    key_id: str
    private_key: rsa.RSAPrivateKey
    delegated: dict[str, set[str]] = field(default_factory=dict)
    is_revoked: bool = False

    def delegate(self, scopes: Iterable[str], user: str = "*") -> None:
        """Allow domain-wide delegation of *scopes* for *user*."""
        self.delegated.setdefault(user, set()).update(scopes)

    def pem(self) -> str:
        """Return the private key as the key file holds it."""
        return self.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()


@dataclass(slots=True)
class RefreshToken:
    """A user's consent to an app."""

    token: str
    user: str
    client_id: str
    client_secret: str
    scopes: frozenset[str]
    is_revoked: bool = False


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """One successful (or refused) exchange, for assertions."""

    kind: str
    user: str
    subject: str | None
    scopes: frozenset[str]
    client_id: str


@dataclass(slots=True)
class _Code:
    refresh: RefreshToken
    challenge: str | None
    redirect_uri: str


class AuthServer:
    """Issues and knows tokens.

    Attributes:
        lifetime_s: How long access tokens live.
        grants: Every token that was issued.
        consent_user: Who "clicks" on the consent page.
    """

    def __init__(self, now: Callable[[], float], token_uri: Callable[[], str]) -> None:
        self._now = now
        self._token_uri = token_uri
        self.lifetime_s = 3599
        self.grants: list[TokenGrant] = []
        self.consent_user = "me@lab.example"
        self.services: dict[str, ServiceAccount] = {}
        self.refresh_tokens: dict[str, RefreshToken] = {}
        self._access: dict[str, tuple[Caller, float]] = {}
        self._codes: dict[str, _Code] = {}

    # -- accounts -------------------------------------------------------------

    def add_service_account(
        self, email: str = "reports@project.iam.gserviceaccount.example"
    ) -> ServiceAccount:
        """Make a service account with a fresh RSA key."""
        made = ServiceAccount(
            email,
            str(10**20 + secrets.randbelow(10**20)),
            secrets.token_hex(20),
            rsa.generate_private_key(public_exponent=65537, key_size=2048),
        )
        self.services[email] = made
        return made

    def consent(
        self, user: str, scopes: Iterable[str], *, client_id: str = ""
    ) -> RefreshToken:
        """Let *user* grant *scopes* to an app for good."""
        client_id = client_id or "123456-app.apps.googleusercontent.com"
        made = RefreshToken(
            "1//" + secrets.token_urlsafe(30),
            user,
            client_id,
            "GOCSPX-test",
            frozenset(scopes),
        )
        self.refresh_tokens[made.token] = made
        return made

    def issue(
        self, user: str, scopes: Iterable[str], *, client_id: str = "test-app"
    ) -> str:
        """Return a ready access token without the token endpoint."""
        return self._issue(Caller(user, client_id, frozenset(scopes), False))

    def revoke_access(self) -> None:
        """Make every issued access token worthless (the next call gets 401)."""
        self._access.clear()

    def caller(self, token: str) -> Caller | None:
        """Return whom *token* stands for, or None when unknown or expired."""
        caller, expires = self._access.get(token, (None, 0.0))
        return caller if self._now() < expires else None

    # -- credential files -----------------------------------------------------

    def write_service_account(self, path: Path, account: ServiceAccount) -> Path:
        """Write the key file that the Cloud console would hand out."""
        content = {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": account.key_id,
            "private_key": account.pem(),
            "client_email": account.email,
            "client_id": account.client_id,
            "auth_uri": self._token_uri().removesuffix("token") + "o/oauth2/auth",
            "token_uri": self._token_uri(),
            "universe_domain": "googleapis.com",
        }
        return _write_private(path, content)

    def write_authorized_user(self, path: Path, token: RefreshToken) -> Path:
        """Write the file of a user's consent."""
        content = {
            "type": "authorized_user",
            "client_id": token.client_id,
            "client_secret": token.client_secret,
            "refresh_token": token.token,
            "scopes": sorted(token.scopes),
            "token_uri": self._token_uri(),
            "universe_domain": "googleapis.com",
        }
        return _write_private(path, content)

    def write_client_secrets(self, path: Path) -> Path:
        """Write an installed app's client secrets, for a login flow."""
        content = {
            "installed": {
                "client_id": "123456-app.apps.googleusercontent.com",
                "client_secret": "GOCSPX-test",
                "auth_uri": self._token_uri().removesuffix("token") + "o/oauth2/auth",
                "token_uri": self._token_uri(),
                "redirect_uris": ["http://localhost"],
            }
        }
        return _write_private(path, content)

    # -- endpoints ------------------------------------------------------------

    def authorize(self, query: Mapping[str, str]) -> str:
        """Answer the consent page at once; return where to redirect."""
        refresh = self.consent(
            self.consent_user, query["scope"].split(), client_id=query["client_id"]
        )
        code = "4/" + make_id(length=40)
        self._codes[code] = _Code(
            refresh, query.get("code_challenge"), query["redirect_uri"]
        )
        joiner = "&" if "?" in query["redirect_uri"] else "?"
        state = f"&state={query['state']}" if "state" in query else ""
        return f"{query['redirect_uri']}{joiner}code={code}{state}"

    def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Answer a request to the token endpoint."""
        grant_type = form.get("grant_type", "")
        if grant_type == _JWT_GRANT:
            return self._jwt_bearer(form.get("assertion", ""))
        if grant_type == "refresh_token":
            return self._refresh(form)
        if grant_type == "authorization_code":
            return self._code(form)
        raise TokenError("unsupported_grant_type", f"Invalid grant_type: {grant_type}")

    def _answer(self, kind: str, caller: Caller, subject: str | None) -> dict[str, Any]:
        self.grants.append(
            TokenGrant(kind, caller.email, subject, caller.scopes, caller.client_id)
        )
        return {
            "access_token": self._issue(caller),
            "expires_in": self.lifetime_s,
            "scope": " ".join(sorted(caller.scopes)),
            "token_type": "Bearer",
        }

    def _issue(self, caller: Caller) -> str:
        token = "ya29." + secrets.token_urlsafe(40)
        self._access[token] = (caller, self._now() + self.lifetime_s)
        return token

    def _jwt_bearer(self, assertion: str) -> dict[str, Any]:
        header, claims, signed, signature = _split_jwt(assertion)
        account = self.services.get(claims.get("iss", ""))
        if account is None:
            raise TokenError("invalid_grant", "Invalid grant: account not found")
        if header.get("alg") != "RS256" or account.is_revoked:
            raise TokenError("invalid_grant", "Invalid JWT Signature.")
        try:
            account.private_key.public_key().verify(
                signature, signed, padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            raise TokenError("invalid_grant", "Invalid JWT Signature.") from None
        self._check_times(claims)
        if claims.get("aud") not in {_GOOGLE_AUDIENCE, self._token_uri()}:
            raise TokenError("invalid_grant", "Invalid JWT: Failed audience check.")
        scopes = frozenset(str(claims.get("scope", "")).split())
        if not scopes:
            raise TokenError("invalid_scope", "Empty or missing scope not allowed.")
        subject = claims.get("sub")
        if subject is None or subject == account.email:
            caller = Caller(account.email, account.client_id, scopes, True)
            return self._answer("service_account", caller, None)
        allowed = account.delegated.get("*", set()) | account.delegated.get(
            subject, set()
        )
        if not scopes <= allowed:
            raise TokenError(
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, "
                "or client not authorized for any of the scopes requested.",
                401,
            )
        caller = Caller(subject, account.client_id, scopes, False)
        return self._answer("service_account", caller, subject)

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        issued, expires = claims.get("iat", 0), claims.get("exp", 0)
        now = self._now()
        is_timely = issued <= now + _SKEW_S and expires > now - _SKEW_S
        if not is_timely or expires - issued > _LONGEST_ASSERTION_S:
            raise TokenError(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a "
                "reasonable timeframe. Check your iat and exp values in the JWT claim.",
            )

    def _refresh(self, form: Mapping[str, str]) -> dict[str, Any]:
        found = self.refresh_tokens.get(form.get("refresh_token", ""))
        if found is None or found.is_revoked:
            raise TokenError("invalid_grant", "Token has been expired or revoked.")
        self._check_client(found, form)
        scopes = frozenset(form["scope"].split()) if "scope" in form else found.scopes
        if not scopes <= found.scopes:
            raise TokenError("invalid_scope", "Bad Request")
        caller = Caller(found.user, found.client_id, scopes, False)
        return self._answer("authorized_user", caller, None)

    def _code(self, form: Mapping[str, str]) -> dict[str, Any]:
        found = self._codes.pop(form.get("code", ""), None)
        if found is None or form.get("redirect_uri") != found.redirect_uri:
            raise TokenError("invalid_grant", "Bad Request")
        self._check_client(found.refresh, form)
        if found.challenge:
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            if base64.urlsafe_b64encode(digest).decode().rstrip("=") != found.challenge:
                raise TokenError("invalid_grant", "Invalid code verifier.")
        refresh = found.refresh
        caller = Caller(refresh.user, refresh.client_id, refresh.scopes, False)
        answer = self._answer("authorization_code", caller, None)
        return answer | {"refresh_token": refresh.token}

    @staticmethod
    def _check_client(found: RefreshToken, form: Mapping[str, str]) -> None:
        if (form.get("client_id"), form.get("client_secret")) != (
            found.client_id,
            found.client_secret,
        ):
            raise TokenError("invalid_client", "Unauthorized", 401)


def _split_jwt(
    assertion: str,
) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    try:
        head, body, signature = assertion.split(".")
        return (
            json.loads(_unpad(head)),
            json.loads(_unpad(body)),
            f"{head}.{body}".encode(),
            _unpad(signature),
        )
    except (ValueError, binascii.Error):
        raise TokenError("invalid_grant", "Invalid JWT: malformed.") from None


def _unpad(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _write_private(path: Path, content: Mapping[str, Any]) -> Path:
    path.touch(mode=0o600)
    path.write_text(json.dumps(content), encoding="utf-8")
    path.chmod(0o600)
    return path
