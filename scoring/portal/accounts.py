"""Nobody signs up by himself: people come in through an invitation (scoring.portal.people), then also by their hospital."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.http import HttpRequest

from scoring.portal.connections import speaks_for


class ClosedDoor(DefaultAccountAdapter):
    """django-allauth without sign-up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """No."""
        return False


class OtherDoor(DefaultSocialAccountAdapter):
    """OpenID Connect and SAML: for people who have an account here, by a verified address of the provider's own domains."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """No."""
        return False

    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: Any) -> bool:
        """No: whoever is not known is told so, and no mail is sent."""
        return False

    def is_email_verified(self, provider: Any, email: str) -> bool:
        """Addresses in the provider's domains are its own to vouch for (SAML has no word for it)."""
        return bool(provider.app) and provider.app.provider == "saml" and speaks_for(provider.app.settings["domains"], email)

    def can_authenticate_by_email(self, login: Any, email: str) -> bool:
        """Only in the domains that the provider was given."""
        app = login.provider.app
        return bool(app) and speaks_for(app.settings.get("domains", []), email)
