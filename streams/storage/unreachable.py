"""Why PostgreSQL lets us not in, in words that say what to check; never the URL, which holds the password."""

import ssl

import asyncpg

from streams.certificate_faults import certificate_fault

URL = "SEALSTREAM_DATABASE_URL"


def why_unreachable(error: Exception) -> str:
    """What connecting to the database failed of."""
    match error:
        case ssl.SSLCertVerificationError():
            fault = certificate_fault(error, authorities=f"sslrootcert in {URL}", names=f"the host in {URL}")
            return f"the database shows a certificate that {fault}"
        case ssl.SSLError():
            return f"the database can't agree on TLS with us ({error.reason}); check sslmode and sslcert in {URL}"
        case ConnectionError() if "rejected SSL upgrade" in str(error):
            return f"the database speaks no TLS; switch `ssl` on there, for sslmode in {URL} asks for it"
        case asyncpg.InvalidAuthorizationSpecificationError():  # a wrong password too
            return f"the database does not let us in; check user, password and certificate in {URL}, and pg_hba.conf"
        case asyncpg.InvalidCatalogNameError():
            return f"there is no database by that name on the server; check {URL}"
        case _:
            return f"the database can't be reached or refuses us ({type(error).__name__}); check {URL}"
