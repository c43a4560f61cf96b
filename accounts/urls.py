"""Addresses of pages about people and teams."""

from __future__ import annotations

from django.urls import path

from accounts.pages import account, record, security, sign_in, views

urlpatterns = [
    path(".well-known/security.txt", security.security_txt, name="security_txt"),
    path("csp-report", security.csp_report, name="csp_report"),
    path("", views.home, name="home"),
    path("you/", views.profile, name="profile"),
    path("you/record/", record.own_record, name="own_record"),
    path("you/record/csv/", record.own_record, {"form": "csv"}, name="own_record_csv"),
    path("you/record/json/", record.own_record, {"form": "json"}, name="own_record_json"),
    path("teams/<uuid:team_code>/record/", record.team_record, name="team_record"),
    path("teams/<uuid:team_code>/record/csv/", record.team_record, {"form": "csv"}, name="team_record_csv"),
    path("teams/<uuid:team_code>/record/json/", record.team_record, {"form": "json"}, name="team_record_json"),
    path("you/export/", account.account_export, name="account_export"),
    path("you/delete/", account.account_delete, name="account_delete"),
    path("mails/", sign_in.mails, name="mails"),
    path("teams/new/", views.team_new, name="team_new"),
    path("teams/<uuid:team_code>/settings/", views.team_settings, name="team_settings"),
    path("teams/<uuid:team_code>/settings/invite/", views.team_invite, name="team_invite"),
    path(
        "teams/<uuid:team_code>/settings/invitations/<slug:reference>/withdraw/",
        views.invitation_withdraw,
        name="invitation_withdraw",
    ),
    path("teams/<uuid:team_code>/settings/safety/", views.team_safety, name="team_safety"),
    path("teams/<uuid:team_code>/settings/mail/", views.team_mail, name="team_mail"),
    path("teams/<uuid:team_code>/settings/members/role/", views.member_role, name="member_role"),
    path("teams/<uuid:team_code>/settings/members/remove/", views.member_remove, name="member_remove"),
    path("teams/<uuid:team_code>/settings/tokens/", views.token_issue, name="token_issue"),
    path("teams/<uuid:team_code>/settings/tokens/<slug:reference>/revoke/", views.token_revoke, name="token_revoke"),
    path("invitations/<str:token>/", views.invitation, name="invitation"),
]
