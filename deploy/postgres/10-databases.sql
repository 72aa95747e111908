-- Two databases that know nothing of each other, and two roles for each: <database>_owner owns the
-- tables and migrates them, <database>_service is what the service runs as. What the service may do
-- with each table is granted by the migration that makes the table.
--
-- Run once by a superuser with psql 14 or newer, on a new cluster, with the four passwords in the
-- environment. The PostgreSQL image does so when its volume is empty.

\set ON_ERROR_STOP on
-- Plain statements, so that a missing password is an error and never an empty password.
\getenv donations_owner_password DONATIONS_OWNER_PASSWORD
\getenv donations_service_password DONATIONS_SERVICE_PASSWORD
\getenv ledger_owner_password LEDGER_OWNER_PASSWORD
\getenv ledger_service_password LEDGER_SERVICE_PASSWORD

CREATE ROLE donations_owner LOGIN PASSWORD :'donations_owner_password';
CREATE ROLE donations_service LOGIN PASSWORD :'donations_service_password';
CREATE ROLE ledger_owner LOGIN PASSWORD :'ledger_owner_password';
CREATE ROLE ledger_service LOGIN PASSWORD :'ledger_service_password';

CREATE DATABASE donations OWNER donations_owner TEMPLATE template0
    ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
REVOKE ALL ON DATABASE donations FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE donations TO donations_service;

CREATE DATABASE ledger OWNER ledger_owner TEMPLATE template0
    ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
REVOKE ALL ON DATABASE ledger FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE ledger TO ledger_service;
