"""What a new password must be: Django's four checks, each saying what to do."""

from __future__ import annotations

from django.contrib.auth import password_validation as checks

HELP = "At least 8 characters, not only digits, not a common password and not like your e-mail address."


class LongEnough(checks.MinimumLengthValidator):
    def get_error_message(self) -> str:
        return f"This password is too short. Choose one with at least {self.min_length} characters."


class UnlikeTheAddress(checks.UserAttributeSimilarityValidator):
    def get_error_message(self) -> str:
        return "This password is too much like your e-mail address. Choose another one."


class NotCommon(checks.CommonPasswordValidator):
    def get_error_message(self) -> str:
        return "This password is too common. Choose one that nobody would try first."


class NotOnlyDigits(checks.NumericPasswordValidator):
    def get_error_message(self) -> str:
        return "This password has only digits. Add letters or other signs."
