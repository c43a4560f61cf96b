"""Websocket addresses of the browser."""

from __future__ import annotations

from django.urls import path

from accounts.feed.consumers import TeamFeed

websocket_urlpatterns = [path("ws/teams/<uuid:team_code>/", TeamFeed.as_asgi())]
