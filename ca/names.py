"""National names: the object identifiers of SM2, SM3 and GM/T 0010 told to `asn1crypto`.

Importing this module is enough. Sources: GM/T 0006 (identifiers), GM/T 0010 (SM2 message formats).
"""

from asn1crypto import algos, cms, core, keys

SM3 = "1.2.156.10197.1.401"
SM2_WITH_SM3 = "1.2.156.10197.1.501"
SM2_SIGNATURE = "1.2.156.10197.1.301.1"  # GM/T 0010 names the signature by this, too
SM2_CURVE = "1.2.156.10197.1.301"
GM_DATA = "1.2.156.10197.6.1.4.2.1"
GM_SIGNED_DATA = "1.2.156.10197.6.1.4.2.2"


def _teach(identifier: type[core.ObjectIdentifier], oid: str, name: str) -> None:
    """Let `identifier` read and write `name`; the library builds its way back lazily or already has."""
    identifier._map[oid] = name
    if identifier._reverse_map is not None:
        identifier._reverse_map[name] = oid


_teach(algos.DigestAlgorithmId, SM3, "sm3")
_teach(algos.SignedDigestAlgorithmId, SM2_WITH_SM3, "sm3_sm2")
_teach(algos.SignedDigestAlgorithmId, SM2_SIGNATURE, "sm2")
_teach(cms.ContentType, GM_DATA, "gm_data")
_teach(cms.ContentType, GM_SIGNED_DATA, "gm_signed_data")
keys.NamedCurve.register("sm2p256v1", SM2_CURVE, 32)
cms.ContentInfo._oid_specs["gm_signed_data"] = cms.SignedData
cms.ContentInfo._oid_specs["gm_data"] = core.OctetString
cms.EncapsulatedContentInfo._oid_specs["gm_data"] = core.OctetString
