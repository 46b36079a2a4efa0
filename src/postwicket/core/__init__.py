"""The vocabulary: small immutable values that every other room speaks."""
