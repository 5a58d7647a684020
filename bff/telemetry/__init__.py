"""What the service tells its operators, and what it never tells: masking, the audit trail."""
