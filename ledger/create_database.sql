-- The ledger's own database beside Prefect's; PostgreSQL's image runs this once, when its volume is empty.
CREATE DATABASE ledger;
