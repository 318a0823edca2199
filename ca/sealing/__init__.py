"""The two-lock sealing 双锁加密 (gh-seal/2): a bid opens only with its bidder and m of n key holders.

The public format is `docs/bid-format.md`. Where to look:

* `params`     the parameters of one opening, which everybody names by their SHA-256
* `lock`       lock C: one secret in an envelope for every team of holders, recomputed whenever it opens
* `header`     the header of a sealed file and the checks at upload, without any key
* `file`       seal, check a half key, open: streamed, nothing half-written
* `lockb`      the bidder's half key under his certificate (`sm2_box`: SM2 encryption)
* `rescue`     both halves under a passphrase, for the bidder alone
* `box`        contributions to a draw and sealed quotes, under lock C alone
* `messages`   what is signed about an opening, byte for byte, and the roots
* `holder`     the key holder's own gate
* `transcript` the whole opening again, by anybody
* `faults`     every code, and who is to blame
"""
