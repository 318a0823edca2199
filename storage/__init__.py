"""The record room 档案室: what is kept, when, and how a kept thing may change.

It speaks of rows, objects, entries, moments, money, refusals and moves, and knows no party, tender or
page. Everything above stands on it; it imports nothing of ours.
"""
