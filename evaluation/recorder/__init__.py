"""录音录像: one asyncio process that receives the panel's media, forwards it and keeps it.

Encoded packets travel from the browser to the disk and to the other members without ever being decoded
here. The only place in the house where aiortc, av and aiohttp may be imported.
"""
