"""The audit: append-only chains of signed entries that say who did what, from where and by what."""

from accounts.audit.writing import hold, record, record_installation, record_person

__all__ = ["hold", "record", "record_installation", "record_person"]
