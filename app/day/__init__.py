"""A day at the trading centre 一天: played against a running demo centre through its doors, like people would."""
