"""Doors of the gate house: logging in (`login`) and the key holders' programs (`holder`)."""
