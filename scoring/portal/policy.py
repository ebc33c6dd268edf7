"""Who may do what: the one table. A page or call that is not in it answers nobody (scoring.portal.guard).

Every pattern of `urls.py` has its line; a test asks every pattern as every role, in the own programme and in another one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Reach = Literal["all", "own"]
"""all: everybody's in the programme; own: what is the asking fellow's own."""


@dataclass(frozen=True)
class Rule:
    """open: "anyone", "signed in", "server" (who may make programmes), or "" where the role in the programme decides."""

    open: str = ""
    roles: dict[str, Reach] = field(default_factory=dict)
    by: str = "session"  # or "token": calls of a desktop


def _roles(*names: str, fellow: bool = False, by: str = "session") -> Rule:
    reach: dict[str, Reach] = {name: "all" for name in names}
    return Rule(roles=reach | ({"fellow": "own"} if fellow else {}), by=by)


ANYONE, SIGNED_IN, SERVER = Rule("anyone"), Rule("signed in"), Rule("server")
EVERY_ROLE = _roles("director", "committee", "admin", fellow=True)
DIRECTOR, COMMITTEE, ADMIN = _roles("director"), _roles("committee"), _roles("admin")
TOKEN = _roles(fellow=True, by="token")

POLICY: dict[str, Rule] = {
    # the server
    "home": ANYONE,
    "enter": ANYONE,
    "healthz": ANYONE,
    "programmes": SERVER,
    "device": SIGNED_IN,
    # a programme
    "programme": EVERY_ROLE,
    "board": DIRECTOR,
    "board_table": DIRECTOR,
    "cohorts": DIRECTOR,
    "cohort": DIRECTOR,
    "cohort_import": DIRECTOR,
    "compare": DIRECTOR,
    "cohort_report": DIRECTOR,
    "assignments": DIRECTOR,
    "assignment": DIRECTOR,
    "remind": DIRECTOR,
    "errors": DIRECTOR,
    "value": DIRECTOR,
    "export_csv": DIRECTOR,
    "export_xapi": DIRECTOR,
    "learner": _roles("director", "committee", fellow=True),
    "learner_report": _roles("director", "committee", fellow=True),
    "learner_data": _roles("admin", fellow=True),
    "attempt": _roles("director", "committee", fellow=True),
    "attempt_file": _roles("director", "committee", fellow=True),
    "replay": _roles("director", "committee", fellow=True),
    "replay_part": _roles("director", "committee", fellow=True),
    "review": COMMITTEE,
    "case": COMMITTEE,
    "packet": COMMITTEE,
    "comment": COMMITTEE,
    "decide": COMMITTEE,
    "standards": COMMITTEE,
    "standard_new": COMMITTEE,
    "standard_draft": COMMITTEE,
    "standard_sign": COMMITTEE,
    "standard": COMMITTEE,
    "badges": COMMITTEE,
    "badge_issue": COMMITTEE,
    "badge_revoke": COMMITTEE,
    "badge": _roles("committee", fellow=True),
    "issuer": ANYONE,
    "revocations": ANYONE,
    "members": ADMIN,
    "member": ADMIN,
    "settings": ADMIN,
    "audit": ADMIN,
    "people": ADMIN,
    "erase": ADMIN,
    # the desktop
    "api_openapi": ANYONE,
    "api_device": ANYONE,
    "api_token": ANYONE,
    "api_me": TOKEN,
    "api_assignments": TOKEN,
    "api_attempt": TOKEN,
    # sign-in (django-allauth)
    "account_login": ANYONE,
    "account_signup": ANYONE,
    "account_logout": ANYONE,
    "account_reset_password": ANYONE,
    "account_reset_password_done": ANYONE,
    "account_reset_password_from_key": ANYONE,
    "account_reset_password_from_key_done": ANYONE,
    "account_change_password": SIGNED_IN,
    "account_reauthenticate": SIGNED_IN,
    "account_inactive": ANYONE,
    "mfa_index": SIGNED_IN,
    "mfa_authenticate": ANYONE,
    "mfa_reauthenticate": SIGNED_IN,
    "mfa_activate_totp": SIGNED_IN,
    "mfa_deactivate_totp": SIGNED_IN,
    "mfa_view_recovery_codes": SIGNED_IN,
    "mfa_generate_recovery_codes": SIGNED_IN,
    "mfa_download_recovery_codes": SIGNED_IN,
    # sign-in by another system (scoring.portal.connections); the addresses exist where one is named
    "socialaccount_login_cancelled": ANYONE,
    "socialaccount_login_error": ANYONE,
    "socialaccount_signup": ANYONE,
    "openid_connect_login": ANYONE,
    "openid_connect_callback": ANYONE,
    "saml_login": ANYONE,
    "saml_acs": ANYONE,
    "saml_finish_acs": ANYONE,
    "saml_sls": ANYONE,
    "saml_metadata": ANYONE,
    "lti_begin": ANYONE,
    "lti_launch": ANYONE,
    "lti_keys": ANYONE,
}


def policy_table() -> str:
    """Return the programme's part of the table as Markdown, for docs/PORTAL.md (a test holds the page to it)."""
    names = ("fellow", "director", "committee", "admin")
    lines = ["| address | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, rule in POLICY.items():
        if not rule.open:
            groups.setdefault(tuple(rule.roles.get(role, "") for role in names), []).append(name)
    lines += [f"| {', '.join(f'`{n}`' for n in found)} | {' | '.join(reach)} |" for reach, found in groups.items()]
    return "\n".join(lines) + "\n"
