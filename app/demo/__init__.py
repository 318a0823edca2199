"""A small city for demonstrations 演示城市: its people, keys and certificates are made at run time, and nothing of
it works in production mode.
"""
