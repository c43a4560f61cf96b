"""People who sign in."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower


class UserManager(BaseUserManager["User"]):
    """Users are made by e-mail address; there is no user name."""

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **extra)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractUser):
    """A person. The e-mail address is the login; letter case does not count."""

    username = None  # type: ignore[assignment]
    email = models.EmailField("e-mail", unique=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    # An account that was deleted stays as a row without a way in: what the person did still names it, as text.
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"
        constraints = [
            models.UniqueConstraint(Lower("email"), name="one_user_per_email_in_any_letter_case"),
            models.CheckConstraint(
                condition=models.Q(deleted_at=None) | models.Q(is_active=False, is_staff=False, is_superuser=False),
                name="deleted_person_never_signs_in",
            ),
        ]

    def __str__(self) -> str:
        return self.email
