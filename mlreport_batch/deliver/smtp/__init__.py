"""Send mails through an SMTP server."""
