"""The hall that everybody enters first: home, time, health, figures."""
