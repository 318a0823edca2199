"""行政监督 Supervision: what a supervisor watches, replays and checks. It looks, and changes nothing."""
