"""Who comes in and how: addresses and limits, the forms of signing in, mails that stay here, and who may operate."""
