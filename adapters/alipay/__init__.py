"""Alipay's open platform (`alipay.trade.*`), signed with RSA2: the app, a browser, a QR code."""
