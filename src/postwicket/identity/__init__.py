"""Who hands mail in: accounts, app passwords, passwords."""
