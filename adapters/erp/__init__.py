"""ERP: sales orders and what can be promised, over OData v2."""
