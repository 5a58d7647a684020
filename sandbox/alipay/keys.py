"""Keys of the simulated Alipay. DEVELOPMENT ONLY: they are public and prove nothing to anybody else."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

APP_ID = "9021000100007788"
SELLER_ID = "2088721000007788"

ALIPAY_PRIVATE_KEY = """\
-----BEGIN PRIVATE KEY-----
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQDIJrJ4JaX5NYrS
TOTQPpwx8DtGiHi5VqVWcwIi2DTtxzC4MFNQKRzDPRXiySS7r6AvrqmPhDW43hVV
ioU36ajsdOOrLWcdFn74WP0yrpKppMXWGf6F6cpoNPKod76H0PhecBmOvrXQ3wvp
dHCm+7WIl8JbERByXMy5ChU9ildrJOvH6O/V5IjBK/VIsN3nR47cvEGP/vHu+cw5
5wNVEGQMW5R5bXuMcVHmsFQzlUy96Z8BpJsf71h3L698f6awGQ/kQF9cBjOhlT6q
FQBtBc22uf42QmkR2hR055YAfk+j1NDQsSPdgBMFYRwd9nIYtIwUTJrLHR54oKFJ
8VzNc4oRAgMBAAECggEADHzlm7t1nJProm1rxVZytmbvu9nd9mpijH9GfdgRjVhl
QMi7GgBGrCPOjsTQBunRS8hRCgRMuckZeanX4AIzKPWuEssVaOozZ9ldiuD7g5wl
P9OFXuOUXmYXUc2O1LiEFphV7+MUQwD3pExAjxqbW/dkB/yLkycZGt53LszH4YZi
1IgHQvraWoXOPsfTW4pEAOboHTUTLd6ZFGCgkOP+WDoou2PXQ/XTuUEffgExKH2C
lPvkDh6Qomja1R/EOVVySsF8qAGOyrxKDf4fQmo86Uu9r1DsGDYV+Wiia8Ni1HnO
pLEA3NZxU6Eji8o/jStgs3F/0XYdsQ57YgZG29ilBQKBgQD4riFe/Oxpjm+AUcTX
4wSWzcFgWHgawyNfzdi1D2MVWmEsCn9RfS+AflHof6oBkI/OUXMuepMEbiSkzPAY
AmuMGCfbjwtBOgoPyaPK1i0GYH9/9jF51+JNBwTcqvm4YN4Gix7jqEkhe/AwflOW
sc6cTYV1miFiSNEtfKnCcHbsDwKBgQDOCuNQTJjgMSk4Qvwq3oh9xsy8xcIK41pG
7Ar9uidQTyccpPyl6J9vbDKMkEC99KZRAGz2EVGjTCCQOlKuefwsMojeXLZnpiVF
peTEHJtXPKTdGKX53Hv+TfsGsP+zoZX+BDtRTz1xwGGCEphxYdTaYEcY/EW6HCQR
yku+CqCH3wKBgF6V5K17Z/RSL8jP0R4IA/PT+MxLegs705WZ9uYPHzG8+Z7Fs11s
TwgBg+f5vtDvijMAOd4g0xBpUFi6dku7h+p2OZrCEpbRm4gbusfopKF7TKOAIZtl
aHbBx7Ci+26MsYYtnicbGA27VUUsl2CG6r36oltzr2Txq1Ywx2TkX+czAoGAYENv
/oU664usYW/SVskPZgwqfYu7Y9Dizb3cSLzfP0Mr19MxguYTD0CywT9oMBeMWM3l
GnXu+WdI03mcRY4Shie6EIGqavSR919RaVqgLPrVX8LzULB1cdPHE1JAtREqfbpG
aG+oGmwyYk4D0P1PMBPJQ+AhR5l8NJ+aEZjvdWsCgYB5wATr6HhHnvJ6QDa51DcK
GAamkkU9b6yynw/kcuDmb2622Z6X/bFTcjlex+18j4ZjiR7bqPHCJirMfXAmd/tb
BrrZGOlLdLvV4t3AZEiqHcKBbylkg/euPnWL+LzsfnGjLvlr0W/mOZ4t/rOf2T0Q
ab9oHoqN+apkKk/cCi7E7w==
-----END PRIVATE KEY-----
"""
"""Signs what this system answers and tells."""

MERCHANT_PUBLIC_KEY = """\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzCfTUy0QBvNwKsOUt1Dm
E4AQsSPdSAEdWTuKp1nhC2fQq8Y1WdXc1Fpq2fp6XRqeZl6iFGL7FWnMlyd6qrFn
zMB+6bwDybHWc8NgSr7rMvdknvn8oyzFpm0J1j+ecL31VKu4sJB0Rs5wZhGF/x9d
ooZECxptymCIKgwldYbLCW4KADh/68IcwGRuxXOHniB7B9qJSulOAEoEXuxMs/xp
LDmI5jFecrFCO+MxPll4qs9eJkk3jjcHJNZQ4LZnhVTSDgYYGRigqP2M3YPfsHWq
/UZWRuvdfH/DhN4Z3y2nmWgV6vSuFVD6ntzTg0aOJga2iI47qDNDvxf4jyEXRiBF
twIDAQAB
-----END PUBLIC KEY-----
"""
"""Verifies what the merchant sends."""


def alipay_private_key() -> RSAPrivateKey:
    key = load_pem_private_key(ALIPAY_PRIVATE_KEY.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def merchant_public_key() -> RSAPublicKey:
    key = load_pem_public_key(MERCHANT_PUBLIC_KEY.encode())
    assert isinstance(key, RSAPublicKey)
    return key
