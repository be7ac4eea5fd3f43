"""What is asked of Voyage, as the caller: who they are, their trip, what they prefer."""
