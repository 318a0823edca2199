"""评标室: the evaluation room – the panel, its session, its scores, and the recording of it all.

It knows experts, panels, sessions, scores, reports and recordings. It reads opened bids and hands a
ranking back to `bidding`; it never learns of deposits or mail. What was said and done in a session is
recorded by a process of its own (`evaluation.recorder`) and bound into one chain of evidence
(`evaluation.evidence`) that anybody can check without us.
"""
