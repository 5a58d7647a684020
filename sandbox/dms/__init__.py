"""The dealer management system: STAR BODs over SOAP 1.1, in GB18030 (docs/contracts/dms.md)."""
