"""Every address of the portal. Each name has its line in scoring.portal.policy; what has none answers nobody."""

from __future__ import annotations

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.socialaccount import views as social
from django.conf import settings
from django.urls import path, re_path

from scoring.portal.views import admin, api, committee, director, doors, learner, replay, standards

handler500 = "scoring.portal.guard.broken"
P = "p/<slug:programme>/"
L = P + "learners/<slug:pseudonym>/"

urlpatterns = [
    path("", doors.home, name="home"),
    path("healthz", doors.healthz, name="healthz"),
    path("enter/<slug:secret>", doors.enter, name="enter"),
    path("programmes", doors.programmes, name="programmes"),
    path("device", doors.device, name="device"),
    path(P, doors.programme, name="programme"),
    path(P + "board", director.board, name="board"),
    path(P + "board/table", director.board_table, name="board_table"),
    path(P + "cohorts", director.cohorts, name="cohorts"),
    path(P + "cohorts/<int:cohort>", director.cohort, name="cohort"),
    path(P + "cohorts/<int:cohort>/import", director.cohort_import, name="cohort_import"),
    path(P + "cohorts/<int:cohort>/report", director.cohort_report, name="cohort_report"),
    path(P + "compare", director.compare, name="compare"),
    path(P + "assignments", director.assignments, name="assignments"),
    path(P + "assignments/<int:assignment>", director.assignment, name="assignment"),
    path(P + "assignments/<int:assignment>/remind", director.remind, name="remind"),
    path(P + "errors", director.errors, name="errors"),
    path(P + "value", director.value, name="value"),
    path(P + "attempts.csv", director.export_csv, name="export_csv"),
    path(P + "attempts.xapi.jsonl", director.export_xapi, name="export_xapi"),
    path(L, learner.learner, name="learner"),
    path(L + "report", learner.learner_report, name="learner_report"),
    path(L + "data", learner.learner_data, name="learner_data"),
    path(L + "erase", admin.erase, name="erase"),
    path(P + "attempts/<int:attempt>", learner.attempt, name="attempt"),
    path(P + "attempts/<int:attempt>/file", learner.attempt_file, name="attempt_file"),
    path(P + "attempts/<int:attempt>/replay", replay.replay, name="replay"),
    path(P + "attempts/<int:attempt>/replay/<slug:part>.<slug:kind>", replay.replay_part, name="replay_part"),
    path(P + "review", committee.review, name="review"),
    path(P + "review/<int:assignment>/<slug:pseudonym>", committee.case, name="case"),
    path(P + "review/<int:assignment>/<slug:pseudonym>/packet", committee.packet, name="packet"),
    path(P + "review/<int:assignment>/<slug:pseudonym>/comment", committee.comment, name="comment"),
    path(P + "review/<int:assignment>/<slug:pseudonym>/decide", committee.decide, name="decide"),
    path(P + "standards", standards.standards, name="standards"),
    path(P + "standards/new", standards.standard_new, name="standard_new"),
    path(P + "standards/drafts/<int:draft>", standards.standard_draft, name="standard_draft"),
    path(P + "standards/drafts/<int:draft>/sign", standards.standard_sign, name="standard_sign"),
    path(P + "standards/<int:standard>", standards.standard, name="standard"),
    path(P + "badges", committee.badges, name="badges"),
    path(P + "decisions/<int:decision>/badge", committee.badge_issue, name="badge_issue"),
    path(P + "badges/<int:badge>.jwt", committee.badge, name="badge"),
    path(P + "badges/<int:badge>/revoke", committee.badge_revoke, name="badge_revoke"),
    path(P + "issuer.json", committee.issuer, name="issuer"),
    path(P + "revocations.json", committee.revocations, name="revocations"),
    path(P + "members", admin.members, name="members"),
    path(P + "members/<int:member>", admin.member, name="member"),
    path(P + "learners", admin.people, name="people"),
    path(P + "settings", admin.settings_page, name="settings"),
    path(P + "audit", admin.audit_log, name="audit"),
    path("api/v1/openapi.json", api.openapi, name="api_openapi"),
    path("api/v1/device", api.device, name="api_device"),
    path("api/v1/token", api.token, name="api_token"),
    path("api/v1/me", api.me, name="api_me"),
    path("api/v1/assignments", api.assignments, name="api_assignments"),
    path("api/v1/attempts/<str:sha256>", api.attempt, name="api_attempt"),
    path("account/sign-in", account.login, name="account_login"),
    path("account/sign-up", account.signup, name="account_signup"),
    path("account/sign-out", account.logout, name="account_logout"),
    path("account/inactive", account.account_inactive, name="account_inactive"),
    path("account/password", account.password_change, name="account_change_password"),
    path("account/again", account.reauthenticate, name="account_reauthenticate"),
    path("account/reset", account.password_reset, name="account_reset_password"),
    path("account/reset/sent", account.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^account/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("account/reset/done", account.password_reset_from_key_done, name="account_reset_password_from_key_done"),
    path("account/2fa", mfa.index, name="mfa_index"),
    path("account/2fa/sign-in", mfa.authenticate, name="mfa_authenticate"),
    path("account/2fa/again", mfa.reauthenticate, name="mfa_reauthenticate"),
    path("account/2fa/app", totp.activate_totp, name="mfa_activate_totp"),
    path("account/2fa/app/off", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path("account/2fa/codes", codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path("account/2fa/codes/new", codes.generate_recovery_codes, name="mfa_generate_recovery_codes"),
    path("account/2fa/codes/file", codes.download_recovery_codes, name="mfa_download_recovery_codes"),
]
urlpatterns += [
    path("account/other/cancelled", social.login_cancelled, name="socialaccount_login_cancelled"),
    path("account/other/error", social.login_error, name="socialaccount_login_error"),
    path("account/other/sign-up", social.signup, name="socialaccount_signup"),
]
if settings.CONNECTIONS.oidc:
    from allauth.socialaccount.providers.openid_connect import views as oidc

    urlpatterns += [
        path("account/oidc/<slug:provider_id>/", oidc.login, name="openid_connect_login"),
        path("account/oidc/<slug:provider_id>/back/", oidc.callback, name="openid_connect_callback"),
    ]
if settings.CONNECTIONS.saml:
    from allauth.socialaccount.providers.saml import views as saml

    urlpatterns += [
        path("account/saml/<slug:organization_slug>/", saml.login, name="saml_login"),
        path("account/saml/<slug:organization_slug>/acs/", saml.acs, name="saml_acs"),
        path("account/saml/<slug:organization_slug>/acs/end/", saml.finish_acs, name="saml_finish_acs"),
        path("account/saml/<slug:organization_slug>/sls/", saml.sls, name="saml_sls"),
        path("account/saml/<slug:organization_slug>/metadata/", saml.metadata, name="saml_metadata"),
    ]
if settings.CONNECTIONS.lti:
    from scoring.portal.views import platform

    urlpatterns += [
        path("lti/begin", platform.lti_begin, name="lti_begin"),
        path("lti/launch", platform.lti_launch, name="lti_launch"),
        path("lti/keys.json", platform.lti_keys, name="lti_keys"),
    ]
