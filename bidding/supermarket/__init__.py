"""The intermediary supermarket 网上中介服务超市: an owner's job finds an intermediary, blind and provable.

An owner publishes a project; intermediaries register, seen by nobody; at the hour the pool is fixed and
committed, the key holders open the contributions sealed beforehand, and the order of the draw follows from
bytes that nobody could choose (`draws.md`). Only then does a name appear.
"""
