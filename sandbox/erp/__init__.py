"""The ERP, simulated: SAP OData v2 over the world's sales orders, prices and stock."""
