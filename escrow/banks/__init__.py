"""Banks 银行: what we ask of one (`bank`), how one is spoken with (`mailbox`, `iso20022`), and listening (`watch`)."""
