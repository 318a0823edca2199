"""The gatehouse 门房: who someone is, what they may do, and what their key signed or sealed.

It speaks of parties, actors, roles, certificates, verdicts, seals and draws, and knows no tender and no
money. The rooms above ask it to check a signature, to seal and open a bid, or to let chance decide in a
way that anybody can repeat. It is the only room that touches cryptography.
"""
