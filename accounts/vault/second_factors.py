"""Seeds of second factors, stored under our keys."""

from __future__ import annotations

from allauth.mfa.adapter import DefaultMFAAdapter

from accounts.vault import keys


class SealedFactors(DefaultMFAAdapter):
    """allauth's second factors, whose seeds are stored encrypted."""

    def encrypt(self, text: str) -> str:
        return keys.seal(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return keys.unseal(encrypted_text.encode()).decode()
