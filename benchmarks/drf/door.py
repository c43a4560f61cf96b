"""The same door as it is usually built: a DRF view with a serializer and the ORM. What the real one is compared with."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.urls import path
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from strategies.models import SeenKey, Signal, WebhookEndpoint
from strategies.webhook.passwords import matching_key


class SignalSerializer(serializers.Serializer[dict[str, Any]]):
    """The fields of the bench's signal."""

    ticker = serializers.CharField(max_length=40)
    action = serializers.ChoiceField(choices=["buy", "sell", "exit"])
    quantity = serializers.DecimalField(max_digits=20, decimal_places=6, required=False)
    price = serializers.DecimalField(max_digits=20, decimal_places=6, required=False)
    signalId = serializers.CharField(max_length=120, required=False)


class DoorView(APIView):
    """Look the endpoint up, check password and body, store signal and key in one transaction, answer."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    def post(self, request: Request, code: uuid.UUID, password: str) -> Response:
        endpoint = WebhookEndpoint.objects.select_related("strategy").filter(code=code, enabled=True).first()
        if endpoint is None:
            return Response({"success": False, "messageCode": "not-found"}, status=404)
        if matching_key(code, password) is None:
            return Response({"success": False, "messageCode": "invalid-password"}, status=400)
        body = request.body.decode()
        serializer = SignalSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        key = f"id:{values['signalId']}" if "signalId" in values else hashlib.sha256(body.encode()).hexdigest()
        now = timezone.now()
        with transaction.atomic():
            seen, new = SeenKey.objects.get_or_create(
                strategy_id=endpoint.strategy_id,
                key=key,
                defaults={
                    "signal_code": uuid.uuid4(),
                    "log_code": uuid.uuid4(),
                    "expires_at": now + timedelta(days=30),
                },
            )
            if new:
                Signal.objects.create(
                    team_id=endpoint.team_id,
                    endpoint=endpoint,
                    strategy_id=endpoint.strategy_id,
                    code=seen.signal_code,
                    log_code=seen.log_code,
                    key=key,
                    body=body,
                    reading={"action": values["action"], "symbol": values["ticker"]},
                    address=request.META["REMOTE_ADDR"],
                    content_type=request.content_type,
                    ticker=values["ticker"],
                    action=values["action"],
                    received_at=now,
                )
        return Response({"success": True, "id": seen.signal_code, "logId": seen.log_code, "payload": request.data})


urlpatterns = [path("trading/webhook/<uuid:code>/<str:password>", DoorView.as_view())]
