"""The promises to an auditor: signatures, keys, sealing, the transparency log. Pure but for the key providers."""
