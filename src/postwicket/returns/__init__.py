"""What comes back: bounces, complaints, unsubscribes, and mail for those who run this server."""
