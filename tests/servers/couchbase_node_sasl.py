"""The server's side of SASL: SCRAM (RFC 5802) with SHA-512, SHA-256 and SHA-1, and PLAIN."""

import base64
import hashlib
import hmac
import os

MECHANISMS = {"SCRAM-SHA512": "sha512", "SCRAM-SHA256": "sha256", "SCRAM-SHA1": "sha1"}
ITERATIONS = 4096  # RFC 5802's minimum


class AuthenticationFailed(Exception):
    """Unknown user, wrong password, or a message out of order."""


class SaslExchange:
    """One authentication: ``start``, then for SCRAM one ``finish``."""

    def __init__(self, users: dict[str, str]) -> None:
        self._users = users
        self._hash = ""
        self._salted = b""
        self._nonce = ""
        self._said: list[str] = []

    def start(self, mechanism: str, message: bytes) -> bytes | None:
        """Take the client's first message; None: authenticated, else what to send for the next step."""
        if mechanism == "PLAIN":
            _, user, password = message.decode().split("\0")
            if self._users.get(user) != password:
                raise AuthenticationFailed
            return None
        if mechanism not in MECHANISMS:
            raise AuthenticationFailed
        bare = message.decode().removeprefix("n,,")
        fields = _fields(bare)
        if fields["n"] not in self._users:
            raise AuthenticationFailed
        self._hash = MECHANISMS[mechanism]
        salt = os.urandom(16)
        password = self._users[fields["n"]].encode()
        self._salted = hashlib.pbkdf2_hmac(self._hash, password, salt, ITERATIONS)
        self._nonce = fields["r"] + base64.b64encode(os.urandom(18)).decode()
        answer = f"r={self._nonce},s={base64.b64encode(salt).decode()},i={ITERATIONS}"
        self._said = [bare, answer]
        return answer.encode()

    def finish(self, message: bytes) -> bytes:
        """Check the client's proof and prove in turn that we know the password."""
        text = message.decode()
        fields = _fields(text)
        if not self._said or fields["r"] != self._nonce:
            raise AuthenticationFailed
        agreed = ",".join([*self._said, text[: text.rindex(",p=")]]).encode()
        client_key = self._hmac(self._salted, b"Client Key")
        stored_key = hashlib.new(self._hash, client_key).digest()
        signature = self._hmac(stored_key, agreed)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        if not hmac.compare_digest(proof, base64.b64decode(fields["p"])):
            raise AuthenticationFailed
        server_key = self._hmac(self._salted, b"Server Key")
        return b"v=" + base64.b64encode(self._hmac(server_key, agreed))

    def _hmac(self, key: bytes, data: bytes) -> bytes:
        return hmac.new(key, data, self._hash).digest()


def _fields(text: str) -> dict[str, str]:
    """``a=1,b=2`` as a dict; a value may itself hold ``=``."""
    return dict(part.split("=", 1) for part in text.split(","))
