"""What is wrong with a server's certificate, in words that say what to do."""

import ssl


def certificate_fault(error: ssl.SSLCertVerificationError, *, authorities: str, names: str) -> str:
    """Finish a sentence that began with "a certificate that".

    Args:
        error: What OpenSSL found; its numbers are X509_V_ERR_….
        authorities: Where it is configured whom we trust.
        names: Where the server's name is configured.
    """
    match error.verify_code:
        case 9:
            return "is not valid yet; compare the clocks"
        case 10:
            return "has expired; the server needs a new one"
        case 18 | 19 | 20 | 21:
            return f"comes from nobody whom we trust; check {authorities}"
        case 62:
            return f"is for another host name; connect by a name that it holds; check {names}"
        case 64:
            return f"is for another address; connect by a name or address that it holds; check {names}"
        case _:
            return f"can't be verified ({error.verify_message})"
