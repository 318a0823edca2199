"""The two-lock sealing 双锁加密 (gh-seal/2): a bid opens only with its bidder and m of n key holders."""
